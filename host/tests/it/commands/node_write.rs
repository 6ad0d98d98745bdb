//! `sriovdp node write`: a node of files from its description.

use crate::repository::path;
use crate::test_node::{RegistrationMode, TestNode};

#[tokio::test]
async fn the_examples_can_be_tried() {
    let node = TestNode::new("", RegistrationMode::Watcher);
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("new/node");
    let directory = directory.to_str().unwrap();
    let file = path("examples/nodes/igb-guest.tree");
    let config = path("examples/configs/dpdk-and-kernel.json");
    let (file, config) = (file.to_str().unwrap(), config.to_str().unwrap());
    let write = ["node", "write", file, directory, "--config", config];
    let (code, output, errors) = node.run(&write).await;
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    // What it prints works.
    let commands = output
        .lines()
        .filter_map(|line| line.trim().strip_prefix("sriovdp "));
    let commands: Vec<Vec<&str>> = commands.map(|line| line.split(' ').collect()).collect();
    assert_eq!(commands.len(), 3, "{output}");
    for command in commands {
        let (root, rest) = command.split_at(2);
        let [name, arguments @ ..] = &rest[2..] else {
            panic!("{output}")
        };
        let line = [&[*name], root, arguments].concat();
        let (code, output, errors) = node.run(&line).await;
        assert_eq!(code, Some(0), "{line:?}: {output}{errors}");
        assert!(!output.is_empty(), "{line:?}");
    }

    let (code, output, errors) = node.run(&write).await;
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(errors.contains("is not empty\nhint: "), "{errors}");
}

#[tokio::test]
async fn an_invalid_description_writes_nothing() {
    let node = TestNode::without_providers("", RegistrationMode::Watcher);
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("node.tree");
    let directory = parent.path().join("node");
    let (file, target) = (file.to_str().unwrap(), directory.to_str().unwrap());
    let (code, _, errors) = node.run(&["node", "write", file, target]).await;
    assert_eq!(code, Some(1));
    assert!(errors.starts_with("error: cannot read `"), "{errors}");
    std::fs::write(file, "\npff 0000:01:00.0 8086:1572\n").unwrap();
    let (code, _, errors) = node.run(&["node", "write", file, target]).await;
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("\nCaused by: line 2: unknown word `pff`"),
        "{errors}"
    );
    assert!(!directory.exists());
}
