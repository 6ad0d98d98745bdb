//! The example configurations are valid for the built-in providers, and every manifest that embeds one as well.

use std::path::{Path, PathBuf};

use crate::world::{CAPTURED, Way, World};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

async fn valid(name: &str, config: &str) {
    let world = World::with_config(CAPTURED, Way::Watcher, config);
    let (code, output, _) = world.run(&["check"]).await;
    assert_eq!(code, Some(0), "{name}:\n{output}");
    assert!(!output.contains("warning"), "{name}:\n{output}");
}

#[tokio::test]
async fn configurations() {
    let mut count = 0;
    for entry in std::fs::read_dir(repository().join("examples/configs"))
        .unwrap()
        .flatten()
    {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            valid(
                &path.display().to_string(),
                &std::fs::read_to_string(&path).unwrap(),
            )
            .await;
            count += 1;
        }
    }
    assert!(count >= 3, "only {count} examples");
}

#[tokio::test]
async fn the_config_map() {
    let manifest =
        std::fs::read_to_string(repository().join("deployments/configmap.yaml")).unwrap();
    // The only block scalar of the manifest: everything that is indented below its key.
    let (_, block) = manifest
        .split_once("config.json: |\n")
        .expect("the key `config.json` with a block scalar");
    let config: String = block
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .collect();
    valid("deployments/configmap.yaml", &config).await;
}
