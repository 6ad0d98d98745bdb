//! Configurations, lists of digests and provider files that are not entries of the directory that is followed: links to
//! files elsewhere, and files that are mounted one by one. A write into such a file takes effect all the same.

use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use tokio::process::Command;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, built};

const FIRST: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;
const SECOND: &str =
    r#"{"resourceList": [{"resourceName": "b", "selectors": {"pfNames": ["eth2"]}}]}"#;

/// A write into the file that is there, as `sed -i` and editors do not make it, and a mounted file needs it.
fn write_into(file: &Path, content: &[u8]) {
    use std::io::Write;
    let file = std::fs::File::options()
        .write(true)
        .truncate(true)
        .open(file);
    file.unwrap().write_all(content).unwrap();
}

/// The configuration of `world` is a link to the file that is returned.
fn link_configuration(node: &TestNode, elsewhere: &Path) -> std::path::PathBuf {
    let file = elsewhere.join("config.json");
    std::fs::write(&file, FIRST).unwrap();
    let directory = node.root().join("etc/pcidp");
    std::fs::create_dir_all(&directory).unwrap();
    std::os::unix::fs::symlink(&file, directory.join("config.json")).unwrap();
    file
}

#[tokio::test]
async fn a_write_into_a_linked_configuration_takes_effect() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let elsewhere = tempfile::tempdir().unwrap();
    let file = link_configuration(&node, elsewhere.path());
    let kubelet = node.kubelet().await;
    // Only the write triggers a reconcile.
    let daemon = node.daemon_with(&["--rescan-interval", "3600"]);
    for (resource, next) in [
        ("intel.com/a", SECOND),
        ("intel.com/b", FIRST),
        ("intel.com/a", ""),
    ] {
        kubelet
            .wait_for(resource, |view| view.allocatable() == 4)
            .await
            .unwrap();
        write_into(&file, next.as_bytes());
    }
    // The file is empty for the moment before it is written, which has no consequence.
    daemon.logs("config_rejected").await;
    assert!(kubelet.resource("intel.com/a").unwrap().connected);
}

#[tokio::test]
async fn a_write_into_a_linked_provider_takes_effect() {
    let node = TestNode::without_providers(CAPTURED, RegistrationMode::Watcher);
    node.configure(r#"{"resourceList": [{"resourceName": "x", "deviceType": "accelerator"}]}"#);
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("vendor");
    std::fs::write(&file, "not yet").unwrap();
    std::os::unix::fs::symlink(&file, node.provider_dir().join("vendor.so")).unwrap();
    let kubelet = node.kubelet().await;
    let daemon = node.daemon_with(&["--rescan-interval", "3600"]);
    daemon
        .logs("provider_refused")
        .containing("path", "vendor.so")
        .await;
    write_into(&file, &std::fs::read(built("sriovdp_accelerator")).unwrap());
    kubelet
        .wait_for("intel.com/x", |view| view.allocatable() == 1)
        .await
        .unwrap();
}

/// In a mount namespace of its own, as in a container: `hostPath` of the type `File`, or `subPath`.
#[tokio::test]
async fn single_file_mount_of_the_configuration_warns() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("config.json");
    std::fs::write(&file, FIRST).unwrap();
    node.configure(r#"{"resourceList": []}"#);
    let mounted = node.root().join("etc/pcidp/config.json");
    let program = node.command(&["--rescan-interval", "3600"]);
    let mut inside = Command::new("unshare");
    inside
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg(r#"mount --bind "$0" "$1" && shift && exec "$@""#)
        .args([&file, &mounted])
        .arg(program.as_std().get_program())
        .args(program.as_std().get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let tried = Command::new("unshare")
        .args(["--map-root-user", "--mount", "true"])
        .output()
        .await;
    if !tried.is_ok_and(|tried| tried.status.success()) {
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: this machine allows no mount namespace"
        );
        return;
    }
    let kubelet = node.kubelet().await;
    let daemon = inside.spawn().unwrap();
    for (resource, next) in [("intel.com/a", SECOND), ("intel.com/b", FIRST)] {
        kubelet
            .wait_for(resource, |view| view.allocatable() == 4)
            .await
            .unwrap();
        write_into(&file, next.as_bytes());
    }
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    let id = i32::try_from(daemon.id().unwrap()).unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, Signal::TERM).unwrap();
    let log = daemon.wait_with_output().await.unwrap().stderr;
    let log = String::from_utf8_lossy(&log);
    let warning = "event=\"file_mounted\"";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
}
