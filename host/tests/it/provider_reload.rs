//! Provider files that come, change and go while the daemon runs.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use sriovdp_fake_kubelet::{EventKind, FakeKubelet};

use crate::test_node::{CAPTURED, Daemon, RegistrationMode, TestNode, both_modes, built};

both_modes!(provider_update_keeps_the_pools_registered);

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "accel", "deviceType": "accelerator"},
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}
]}"#;
const POOL: &str = "intel.com/accel";
const DEVICE: &str = "0000:02:10.0";
/// The summary in the manifest, and another one of the same length.
const OLD: &str = "PCI processing accelerators";
const NEW: &str = "PCI PROCESSING accelerators";

async fn start(mode: RegistrationMode) -> (TestNode, FakeKubelet, Daemon) {
    let node = TestNode::with_config(CAPTURED, mode, CONFIG);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for(POOL, |view| view.allocatable() == 1)
        .await
        .unwrap();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    daemon
        .logs("provider_loaded")
        .with("provider", "accelerator.so")
        .containing("summary", OLD)
        .await;
    (node, kubelet, daemon)
}

/// A later build of the same provider.
fn newer() -> Vec<u8> {
    let mut bytes = std::fs::read(built("sriovdp_accelerator")).unwrap();
    let at = bytes
        .windows(OLD.len())
        .position(|window| window == OLD.as_bytes());
    bytes[at.unwrap()..][..NEW.len()].copy_from_slice(NEW.as_bytes());
    bytes
}

fn accelerator(node: &TestNode) -> std::path::PathBuf {
    node.provider_dir().join("accelerator.so")
}

/// Nothing that the kubelet could see has happened to the pool, and its device can be had.
async fn nothing_has_happened(kubelet: &FakeKubelet, mut daemon: Daemon) {
    kubelet.allocate(POOL, &[DEVICE]).await.unwrap();
    let view = kubelet.resource(POOL).unwrap();
    assert!(view.connected, "{view}");
    assert_eq!((view.registrations, view.messages), (1, 1), "{view}");
    assert_eq!(kubelet.violations(), [""; 0]);
    assert!(daemon.logs("pool_withdrawn").now().is_empty());
    daemon.terminates_cleanly().await;
}

async fn provider_update_keeps_the_pools_registered(mode: RegistrationMode) {
    let (node, kubelet, daemon) = start(mode).await;
    let streams = |kubelet: &FakeKubelet| {
        let journal = kubelet.journal();
        let listed =
            |event: &&sriovdp_fake_kubelet::Event| matches!(&event.kind, EventKind::Listed { .. });
        journal.iter().filter(listed).count()
    };
    let before = streams(&kubelet);
    node.provide_bytes("accelerator.so", &newer());
    daemon
        .logs("provider_replaced")
        .with("provider", "accelerator.so")
        .with("package", "sriovdp-accelerator")
        .await;
    daemon
        .logs("provider_loaded")
        .with("provider", "accelerator.so")
        .containing("summary", NEW)
        .await;
    // A change that the kubelet sees comes after everything that the newer file could have brought about.
    node.change("vf 0000:41:11.0 8086:10ca pf=0000:41:00.0 id=4 driver=igbvf");
    daemon.signal(rustix::process::Signal::HUP);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 5)
        .await
        .unwrap();
    assert_eq!(
        streams(&kubelet),
        before + 1,
        "only the other pool was listed again"
    );
    nothing_has_happened(&kubelet, daemon).await;
}

/// The same content, whatever its inode and its times are, is the same provider.
#[tokio::test]
async fn rewriting_the_same_provider_file_changes_nothing() {
    let (node, kubelet, daemon) = start(RegistrationMode::Watcher).await;
    node.provide("accelerator", &built("sriovdp_accelerator"));
    reconcile_is_over(&node, &daemon).await;
    assert!(daemon.logs("provider_replaced").now().is_empty());
    nothing_has_happened(&kubelet, daemon).await;
}

/// What runs is a copy: no running pool notices what becomes of its file.
#[tokio::test]
async fn corrupted_or_removed_provider_file_keeps_the_loaded_one() {
    type Spoil = fn(&Path);
    let cases: [(Spoil, &str, &str); 4] = [
        (
            |file| open(file).write_all(&[0x5a; 1 << 20]).unwrap(),
            "provider_update_refused",
            "not an ELF file",
        ),
        (
            |file| open(file).set_len(100_000).unwrap(),
            "provider_update_refused",
            "truncated",
        ),
        (
            |file| open(file).set_len(0).unwrap(),
            "provider_update_refused",
            "not an ELF file",
        ),
        (
            |file| std::fs::remove_file(file).unwrap(),
            "provider_removed",
            "",
        ),
    ];
    for (spoil, event, error) in cases {
        let (node, kubelet, daemon) = start(RegistrationMode::Watcher).await;
        let file = accelerator(&node);
        spoil(&file);
        let logged = || {
            daemon
                .logs(event)
                .containing("path", "accelerator.so")
                .containing("error", error)
        };
        logged().await;
        reconcile_is_over(&node, &daemon).await;
        assert_eq!(logged().now().len(), 1, "{}", daemon.log());
        // A whole file in its place counts again.
        node.provide_bytes("accelerator.so", &newer());
        daemon.logs("provider_replaced").await;
        nothing_has_happened(&kubelet, daemon).await;
    }
}

/// A newer version that crashes, or wants what others have, is refused, and its predecessor goes on.
#[tokio::test]
async fn invalid_provider_update_keeps_the_loaded_one() {
    let (node, kubelet, daemon) = start(RegistrationMode::Watcher).await;
    node.provide("accelerator", &built("sriovdp_net_device"));
    daemon
        .logs("provider_update_refused")
        .containing("path", "accelerator.so")
        .containing(
            "error",
            "conflict: `net-device.so` already provides the device type `netDevice`",
        )
        .await;
    nothing_has_happened(&kubelet, daemon).await;
}

/// A slow copy in place is refused for as long as it is not whole, and loaded when it is.
#[tokio::test]
async fn slowly_copied_provider_file_is_loaded_when_complete() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let whole = std::fs::read(accelerator(&node)).unwrap();
    std::fs::remove_file(accelerator(&node)).unwrap();
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    let mut file = File::create(accelerator(&node)).unwrap();
    // Nothing, its headers, all of its segments, and all but the last byte.
    for end in [0, 4096, whole.len() / 2, whole.len() - 1] {
        let written = usize::try_from(file.metadata().unwrap().len()).unwrap();
        file.write_all(&whole[written..end]).unwrap();
        daemon.signal(rustix::process::Signal::HUP);
        let reason = match end {
            0 => "not an ELF file".to_owned(),
            _ => format!("and it has {end}"),
        };
        daemon
            .logs("provider_refused")
            .containing("path", "accelerator.so")
            .containing("error", reason)
            .await;
        let loaded = daemon
            .logs("provider_loaded")
            .with("provider", "accelerator.so");
        assert!(loaded.now().is_empty(), "{}", daemon.log());
    }
    file.write_all(&whole[whole.len() - 1..]).unwrap();
    drop(file);
    kubelet
        .wait_for(POOL, |view| view.allocatable() == 1)
        .await
        .unwrap();
    nothing_has_happened(&kubelet, daemon).await;
}

fn open(file: &Path) -> File {
    File::options().write(true).open(file).unwrap()
}

/// Waits until a reconcile has seen every earlier change.
async fn reconcile_is_over(node: &TestNode, daemon: &Daemon) {
    node.provide_bytes("zz.so", b"the last file by name");
    daemon
        .logs("provider_refused")
        .containing("path", "zz.so")
        .await;
    std::fs::remove_file(node.provider_dir().join("zz.so")).unwrap();
}
