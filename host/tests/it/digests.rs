//! `--provider-digests`: a list of the providers that may be loaded.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, built};

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "accel", "deviceType": "accelerator"},
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}
]}"#;

/// A list in a directory of its own, which is followed as well.
struct List {
    directory: tempfile::TempDir,
}

impl List {
    fn new(text: &str) -> Self {
        let list = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        list.write(text);
        list
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("digests")
    }

    fn option(&self) -> String {
        format!("--provider-digests={}", self.path().display())
    }

    fn write(&self, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let next = self.directory.path().join(".next");
        std::fs::write(&next, text).unwrap();
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::rename(next, self.path()).unwrap();
    }
}

/// What the real `sha256sum` prints.
fn sha256sum(directory: &Path, files: &[&str]) -> String {
    let output = Command::new("sha256sum")
        .current_dir(directory)
        .args(files)
        .output()
        .expect("sha256sum, which is in coreutils");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn only_listed_files_are_loaded() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let net_device = sha256sum(node.provider_dir(), &["--binary", "net-device.so"]);
    assert!(net_device.contains(" *net-device.so"), "{net_device}");
    let other = net_device.replace("net-device", "aux-net-device");
    let list = List::new(&format!("{net_device}{other}"));
    let (code, output, _) = node.run(&[&list.option(), "providers"]).await;
    assert_eq!(code, Some(1));
    let digest = &sha256sum(node.provider_dir(), &["accelerator.so"])[..64];
    let list_path = list.path();
    let path = list_path.display();
    assert!(output.contains(&format!("accelerator.so: refused: it is not in the list of digests `{path}` (hint: if you trust this file, add the line `{digest}  accelerator.so`; else remove the file)")), "{output}");
    let found = &sha256sum(node.provider_dir(), &["aux-net-device.so"])[..64];
    assert!(
        output.contains(&format!(
            "aux-net-device.so: refused: its digest is {found}, and the list `{path}` has {}",
            &net_device[..64]
        )),
        "{output}"
    );
    assert!(
        output.contains("net-device.so: device type netDevice"),
        "{output}"
    );

    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon_with(&[&list.option()]);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    daemon
        .logs("provider_refused")
        .containing("path", "accelerator.so")
        .await;
    // The line of the hint is the remedy, without a restart.
    list.write(&format!("{net_device}{digest}  accelerator.so\n"));
    kubelet
        .wait_for("intel.com/accel", |view| view.allocatable() == 1)
        .await
        .unwrap();
    // A newer file that the list does not have yet is not loaded in the place of the one that it has.
    node.provide("accelerator", &built("sriovdp_raw_provider"));
    daemon
        .logs("provider_update_refused")
        .containing("path", "accelerator.so")
        .containing("error", "its digest is ")
        .await;
    kubelet
        .allocate("intel.com/accel", &["0000:02:10.0"])
        .await
        .unwrap();
    daemon.terminates_cleanly().await;
}

#[tokio::test]
async fn a_list_that_cannot_be_used_allows_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let files = ["accelerator.so", "aux-net-device.so", "net-device.so"];
    let list = List::new(&sha256sum(node.provider_dir(), &files));
    let (code, _, _) = node.run(&[&list.option(), "providers"]).await;
    assert_eq!(code, Some(0));
    let refused = |what: &str| {
        format!(
            "the list of digests `{}` cannot be used\nCaused by: {what}",
            list.path().display()
        )
    };
    let expect = async |what: &str| {
        let (code, output, errors) = node.run(&[&list.option(), "providers"]).await;
        assert_eq!((code, output.as_str()), (Some(1), ""), "{errors}");
        assert_eq!(errors.matches(&refused(what)).count(), 1, "{errors}");
    };
    std::fs::set_permissions(list.path(), std::fs::Permissions::from_mode(0o666)).unwrap();
    expect("others than root and the user of this process may write to it").await;
    list.write("deadbeef  accelerator.so\n");
    expect("line 1 is not a digest of 64 hexadecimal digits, two blanks and a file name").await;
    std::fs::remove_file(list.path()).unwrap();
    expect("cannot read it\nCaused by: No such file or directory").await;
}

/// The step is a step of `provider check` as well.
#[tokio::test]
async fn the_check_of_one_file_knows_the_list() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let list = List::new(&sha256sum(node.provider_dir(), &["net-device.so"]));
    for (file, expected) in [("net-device.so", 0), ("accelerator.so", 1)] {
        let path = node.provider_dir().join(file);
        let arguments = ["provider", "check", path.to_str().unwrap(), &list.option()];
        let (code, output, _) = node.run(&arguments).await;
        assert_eq!(code, Some(expected), "{output}");
        assert!(!output.contains("no list of digests (hint"), "{output}");
    }
}
