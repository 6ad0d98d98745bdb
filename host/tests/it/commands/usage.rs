//! Mistakes of the command line: each is named once, with what it is about, and ends the command.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const CONFIG: &str = r#"{"resourceList": [{"resourceName": "a"}, {"resourceName": "b"}]}"#;

/// A node with a configuration, and no provider, since none is needed for a mistake.
fn node() -> TestNode {
    let node = TestNode::without_providers(CAPTURED, RegistrationMode::Watcher);
    node.configure(CONFIG);
    node
}

#[tokio::test]
async fn values_that_make_no_sense() {
    let node = node();
    for (arguments, reported) in [
        (
            &["--resource-prefix", "Foo", "check"][..],
            "lower-case domain name",
        ),
        (&["--resource-prefix=", "list"], "lower-case domain name"),
        (
            &["--rescan-interval", "-5"],
            "a number of seconds, at least 1",
        ),
        (
            &["--rescan-interval", "0"],
            "a number of seconds, at least 1",
        ),
        (&["--metrics-listen", ":9810"], "write ADDRESS:PORT"),
        (&["--metrics-listen", "9810"], "write ADDRESS:PORT"),
        (&["provider", "new", "Slingshot"], "such as `acme-fpga`"),
    ] {
        let (code, output, errors) = node.run(arguments).await;
        let printed = format!("{output}{errors}");
        assert_eq!(code, Some(2), "{arguments:?}: {printed}");
        assert_eq!(
            printed.matches(reported).count(),
            1,
            "{arguments:?}: {printed}"
        );
        assert!(!printed.contains("config.json"), "{arguments:?}: {printed}");
    }
}

#[tokio::test]
async fn paths_that_are_wrong() {
    let node = node();
    let no_root = "error: the root `/nope` does not exist";
    let no_directory = "Caused by: the provider directory `/nope` does not exist";
    let file = "error: cannot list the provider directory `/etc/passwd`";
    let list = "error: the list of digests `/nope` cannot be used";
    let providers = ["check", "list", "explain", "schema", "providers"];
    for (option, path, reported, commands) in [
        (
            "--root",
            "/nope",
            no_root,
            &["check", "list", "explain", "schema", "providers", "rescan"][..],
        ),
        ("--provider-dir", "/nope", no_directory, &providers),
        ("--provider-dir", "/etc/passwd", file, &providers),
        ("--provider-digests", "/nope", list, &providers),
    ] {
        for command in commands {
            let mut program = tokio::process::Command::new(sriovdp_tests::program());
            let (root, directory) = (node.root(), node.provider_dir());
            for (name, value) in [("--root", root), ("--provider-dir", directory)] {
                if name != option {
                    program.arg(name).arg(value);
                }
            }
            let ended = program
                .args([option, path, command])
                .output()
                .await
                .unwrap();
            let printed = [ended.stdout, ended.stderr].concat();
            let printed = String::from_utf8_lossy(&printed);
            assert_eq!(ended.status.code(), Some(1), "{command}: {printed}");
            assert_eq!(printed.matches(reported).count(), 1, "{command}: {printed}");
            assert!(
                !printed.contains("put provider libraries into"),
                "{command}: {printed}"
            );
        }
    }
    // The daemon does not wait for a root either.
    let mut program = tokio::process::Command::new(sriovdp_tests::program());
    let ended = program.args(["--root", "/nope"]).output().await.unwrap();
    let printed = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{printed}");
    assert!(printed.contains(no_root), "{printed}");
}

#[tokio::test]
async fn extension_without_its_device_type_is_inert() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    for (extended, reported) in [
        ("netDevice", None),
        ("netdevice", Some("hint: did you mean `netDevice`?")),
        ("nope", Some("hint: the device types are ")),
    ] {
        let parent = tempfile::tempdir().unwrap();
        let mut command = node.command(&["provider", "new", "x-y", "--extends", extended]);
        let ended = command.current_dir(parent.path()).output().await.unwrap();
        assert_eq!(ended.status.code(), Some(0));
        let errors = String::from_utf8_lossy(&ended.stderr);
        match reported {
            None => assert!(!errors.contains("the device type"), "{errors}"),
            Some(hint) => assert!(errors.contains(hint), "{errors}"),
        }
    }
}

/// A pipe has no path, so mistakes are those of `standard input`.
#[tokio::test]
async fn a_configuration_on_standard_input() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    for (text, code, reported) in [
        (
            r#"{"resourceList": [{"resourceName": "piped"}]}"#,
            0,
            "intel.com/piped: ",
        ),
        (
            "[]",
            1,
            "error: standard input:1:1: the configuration must be an object",
        ),
    ] {
        let mut command = node.command(&["check", "-"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(text.as_bytes()).await.unwrap();
        drop(pipe);
        let output = child.wait_with_output().await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{printed}");
        assert!(printed.contains(reported), "{printed}");
    }
}

#[tokio::test]
async fn a_file_that_is_a_loop_of_links() {
    let node = node();
    let path = node.root().join("loop");
    std::os::unix::fs::symlink("loop", &path).unwrap();
    let (code, output, errors) = node.run(&["check", path.to_str().unwrap()]).await;
    let printed = output + &errors;
    assert_eq!(code, Some(1), "{printed}");
    assert!(
        printed.contains("Too many levels of symbolic links"),
        "{printed}"
    );
}
