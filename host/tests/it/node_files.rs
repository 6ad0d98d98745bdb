//! Files that others made where the plugin reads, and the modes of the files that the plugin makes.

use std::fs::{create_dir_all, read_dir, write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::process::Command;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const POOL: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
}

fn sparse(path: &Path, size: u64) {
    std::fs::File::create(path).unwrap().set_len(size).unwrap();
}

/// Starts a daemon, lets it serve the pool and handle an allocation, and ends it.
async fn serves(node: &TestNode) {
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon_with(&["--use-cdi"]);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    kubelet
        .allocate("intel.com/a", &["0000:41:10.0"])
        .await
        .unwrap();
    daemon.terminates_cleanly().await;
}

/// Neither an open nor a read of anything in the directories that other programs write to blocks the daemon.
#[tokio::test]
async fn non_regular_files_are_skipped() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOL);
    for directory in ["cdi", "k8s.cni.cncf.io/devinfo/dp"] {
        let directory = node.root().join("var/run").join(directory);
        create_dir_all(&directory).unwrap();
        // The first is the name of the pool's own specification.
        for name in ["intel.com-net-pci-a.yaml", "other"] {
            fifo(&directory.join(format!("sriov-dp-{name}")));
        }
        symlink("/dev/zero", directory.join("sriov-dp-zero")).unwrap();
        sparse(&directory.join("sriov-dp-large"), 1 << 40);
        fifo(&directory.join(".sriovdp-fifo"));
        fifo(&directory.join("intel.com-a-0000:41:10.9-device.json"));
    }
    let checkpoint = node.root().join("var/lib/kubelet/device-plugins");
    create_dir_all(&checkpoint).unwrap();
    fifo(&checkpoint.join("kubelet_internal_checkpoint"));
    serves(&node).await;
}

#[tokio::test]
async fn an_attribute_that_is_no_regular_file_stops_nothing() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOL);
    let function = node.root().join("sys/bus/pci/devices/0000:41:10.0");
    std::fs::remove_file(function.join("numa_node")).unwrap();
    fifo(&function.join("numa_node"));
    fifo(
        &node
            .root()
            .join("sys/bus/pci/devices/0000:41:00.0/acpi_index"),
    );
    let route = node.root().join("proc/net/route");
    create_dir_all(route.parent().unwrap()).unwrap();
    std::fs::remove_file(&route).unwrap_or_default();
    symlink("/dev/zero", route).unwrap();
    serves(&node).await;
}

/// What is at this path has the mode, whatever it is; sockets need the write permission to be connected to.
fn modes_below(directory: &Path, found: &mut Vec<(String, u32)>) {
    for entry in read_dir(directory).into_iter().flatten().flatten() {
        let metadata = entry.metadata().unwrap();
        let path = entry.path();
        if metadata.is_dir() {
            modes_below(&path, found);
        }
        found.push((
            path.display().to_string(),
            metadata.permissions().mode() & 0o777,
        ));
    }
}

/// What the plugin makes is readable where other programs read it, and writable by the plugin alone.
#[tokio::test]
async fn modes_do_not_depend_on_the_umask() {
    for (umask, mode) in [
        ("0", RegistrationMode::Watcher),
        ("077", RegistrationMode::Register),
    ] {
        let node = TestNode::with_config(CAPTURED, mode, POOL);
        let kubelet = node.kubelet().await;
        let daemon = node.command(&["--use-cdi"]);
        let daemon = daemon.as_std();
        let _daemon = Command::new("sh")
            .args(["-c", "umask $0 && exec \"$@\"", umask])
            .arg(daemon.get_program())
            .args(daemon.get_args())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        kubelet
            .wait_for("intel.com/a", |view| view.allocatable() == 4)
            .await
            .unwrap();
        kubelet
            .allocate("intel.com/a", &["0000:41:10.4"])
            .await
            .unwrap();
        let mut found = Vec::new();
        modes_below(&node.root().join("var/run"), &mut found);
        for directory in ["plugins_registry", "device-plugins"] {
            let directory = node.root().join("var/lib/kubelet").join(directory);
            modes_below(&directory, &mut found);
        }
        let of_ours = found.iter().filter(|(path, _)| {
            ["/cdi", "/dp", ".json", ".yaml"]
                .iter()
                .any(|end| path.ends_with(end))
                || path.contains("intel.com_a")
        });
        let of_ours: Vec<_> = of_ours.collect();
        assert_eq!(of_ours.len(), 5, "{found:?}");
        for (path, mode) in of_ours {
            let is_file = path.ends_with(".json") || path.ends_with(".yaml");
            let expected = if is_file { 0o644 } else { 0o755 };
            assert_eq!(*mode, expected, "{path} with umask {umask}");
        }
    }
}

/// A process that is killed while it writes a file leaves it behind, and the next one removes it.
#[tokio::test]
async fn unfinished_files_of_a_killed_process_are_removed() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOL);
    let mut unfinished = Vec::new();
    for directory in ["cdi", "k8s.cni.cncf.io/devinfo/dp"] {
        let directory = node.root().join("var/run").join(directory);
        create_dir_all(&directory).unwrap();
        write(directory.join(".sriovdp-x1Yz3q"), "{\"cdi").unwrap();
        write(directory.join(".x1Yz3q"), "of another program").unwrap();
        unfinished.push(directory);
    }
    serves(&node).await;
    for directory in unfinished {
        assert!(!directory.join(".sriovdp-x1Yz3q").exists());
        assert!(directory.join(".x1Yz3q").exists());
    }
}

/// The configuration may hold secrets. `rescan` still finds the daemon.
#[tokio::test]
async fn a_crash_leaves_no_core_file() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOL);
    let daemon = node.daemon();
    daemon.logs("pool_published").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core"));
    let core: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert!(
        matches!(core[4..6], ["0" | "1", "0" | "1"]),
        "{core:?} in {limits}"
    );
    let (code, output, errors) = node.run(&["rescan"]).await;
    assert_eq!(code, Some(0), "{errors}");
    assert!(output.contains(&daemon.id().to_string()), "{output}");
}

/// The plugin reads a checkpoint in the form of every kubelet: a pod has the device, so it stays in its pool.
#[tokio::test]
async fn a_checkpoint_of_an_old_kubelet() {
    let node = TestNode::with_config(
        CAPTURED,
        RegistrationMode::Watcher,
        r#"{"resourceList": [
            {"resourceName": "first", "selectors": {"pfNames": ["eth2"]}},
            {"resourceName": "second", "selectors": {"pfNames": ["eth2"]}}
        ]}"#,
    );
    let directory = node.root().join("var/lib/kubelet/device-plugins");
    create_dir_all(&directory).unwrap();
    let checkpoint = r#"{"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c","ResourceName":"intel.com/second","DeviceIDs":["0000:41:10.0"],"AllocResp":""}],"RegisteredDevices":{}},"Checksum":1}"#;
    write(directory.join("kubelet_internal_checkpoint"), checkpoint).unwrap();
    let (code, output, _) = node.run(&["list"]).await;
    assert_eq!(code, Some(0));
    assert!(
        output.contains("intel.com/second   0000:41:10.0 "),
        "{output}"
    );
}
