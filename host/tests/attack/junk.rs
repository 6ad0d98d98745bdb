//! Files that are none, that never end, that are too large or too many, in each place that the program reads.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::bounds::{Before, socket};
use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const CONFIG: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;
const JUNK_PROVIDERS: usize = 10_000;

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn zeros(path: &Path) {
    symlink("/dev/zero", path).unwrap();
}

/// So long that reading it whole is beyond every bound.
fn huge(path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    file.set_len(1 << 30).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
        .unwrap();
}

fn directory(path: &Path) {
    std::fs::create_dir(path).unwrap();
}

fn text(path: &Path) {
    std::fs::write(path, [b'['; 200_000]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_in_each_directory() {
    type Make = fn(&Path);
    let kinds: [(&str, Make); 5] = [
        ("fifo", fifo),
        ("zeros", zeros),
        ("huge", huge),
        ("directory", directory),
        ("brackets", text),
    ];
    let places = [
        "var/run/cdi/sriov-dp-intel.com-zzz.yaml",
        "var/run/cdi/sriov-dp-zzz",
        "var/run/k8s.cni.cncf.io/devinfo/dp/intel.com-a-0000:41:10.7-device.json",
        "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
        "etc/pcidp/other.json",
        "providers/zzz.so",
    ];
    for (kind, make) in kinds {
        let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
        let kubelet = node.kubelet().await;
        let mut daemon = node.daemon_with(&["--use-cdi"]);
        let serves = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 4);
        serves.await.unwrap();
        let before = Before::of(&daemon);
        for place in places {
            let path = match place.strip_prefix("providers/") {
                Some(name) => node.provider_dir().join(name),
                None => node.root().join(place),
            };
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            make(&path);
        }
        // A new function shows that the reconcile is over, which has seen the junk.
        daemon.signal(Signal::HUP);
        node.change("vf 0000:41:1f.0 8086:1520 pf=0000:41:00.0 id=40 driver=igbvf");
        daemon.signal(Signal::HUP);
        let more = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 5);
        more.await.unwrap();
        before
            .compare(
                &format!("{kind} in each directory"),
                &socket(&node, "intel.com/a"),
            )
            .await;
        daemon.terminates_cleanly().await;
        // And at the start.
        let mut daemon = node.daemon_with(&["--use-cdi"]);
        let serves = kubelet.wait_for("intel.com/a", |view| {
            view.registrations == 2 && view.allocatable() == 5
        });
        serves.await.unwrap();
        daemon.terminates_cleanly().await;
    }
}

#[tokio::test]
async fn many_junk_providers_and_a_large_one() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    let serves = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 4);
    serves.await.unwrap();
    let before = Before::of(&daemon);
    for n in 0..JUNK_PROVIDERS {
        node.provide_bytes(&format!("junk{n}.so"), b"\x7fELF and nothing else");
    }
    for head in ["\x7fELF", "zeros"] {
        let mut large = head.as_bytes().to_vec();
        large.resize(32 << 20, 0);
        node.provide_bytes(&format!("{}.so", head.trim_start_matches('\x7f')), &large);
    }
    daemon.signal(Signal::HUP);
    // An earlier reconcile may have found a part of them, and a count that grows is not logged again.
    daemon.logs("providers_refused_more").await;
    let all = format!("/junk{}.so\"", JUNK_PROVIDERS - 1);
    let seen = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let (_, status, _) = node.run(&["status", "-o", "json"]).await;
            if status.matches("\"state\": \"refused\"").count() == JUNK_PROVIDERS + 2 {
                return status.contains(&all);
            }
        }
    });
    assert!(seen.await.unwrap());
    kubelet
        .allocate("intel.com/a", &["0000:41:10.0"])
        .await
        .unwrap();
    before
        .compare("junk providers", &socket(&node, "intel.com/a"))
        .await;
    daemon.terminates_cleanly().await;
}
