//! What the image holds is enough: the program and its providers run where there is nothing else.

mod dockerfile;
mod image_root;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use sriovdp_fake_kubelet::{Config, FakeKubelet, Timing};

use image_root::{Image, providers};

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "dpdk", "selectors": {"vendors": ["8086"], "drivers": ["vfio-pci"]}},
    {"resourceName": "rdma", "selectors": {"isRdma": true}},
    {"resourceName": "accel", "deviceType": "accelerator"}
]}"#;

/// What the SR-IOV network operator and the Go plugin's own manifest pass to the entry point between them.
const ARGUMENTS: [&str; 5] = [
    "--log-dir=sriovdp",
    "--log-level=10",
    "--resource-prefix=example.com",
    "--config-file=/etc/pcidp/node",
    "--use-cdi",
];

/// Never waited for when all is well.
const TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_provider_loads() {
    let Some(image) = Image::assemble() else {
        return;
    };
    let output = image.command(&["providers"]).output().await.unwrap();
    let reported = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{reported}{error}");
    for name in providers() {
        assert!(reported.contains(&format!("{name}.so: ")), "{reported}");
    }
}

/// With the arguments and the mounts of the manifests that it was not written for, which have no `plugins_registry`.
#[tokio::test]
async fn the_daemon_serves_with_the_go_plugins_arguments() {
    let Some(image) = Image::assemble() else {
        return;
    };
    image.write("etc/pcidp/node", CONFIG);
    std::fs::create_dir_all(image.root().join("var/lib/kubelet/device-plugins")).unwrap();
    let before = image.files();
    let mut config = Config::new(image.root());
    config.watcher = false;
    config.timing = Timing {
        wait_timeout: TIMEOUT,
        ..Timing::default()
    };
    let kubelet = FakeKubelet::start(config).await.unwrap();
    let mut daemon = image
        .command(&ARGUMENTS)
        .stdout(Stdio::null())
        .stderr(image.log())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for name in ["example.com/dpdk", "example.com/rdma", "example.com/accel"] {
        let view = kubelet.wait_for(name, |view| view.allocatable() > 0).await;
        assert!(view.is_ok(), "{view:?}\n{}", image.logged());
    }
    let container = kubelet
        .allocate("example.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap();
    assert_eq!(
        container.cdi_devices[0].name,
        "example.com/net-pci=0000:41:10.2"
    );

    // `unshare`, `sh` and `chroot` have each become the next, so this is the daemon.
    let id = Pid::from_raw(i32::try_from(daemon.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(id, Signal::TERM).unwrap();
    let status = tokio::time::timeout(TIMEOUT, daemon.wait())
        .await
        .expect("it ends");
    assert_eq!(status.unwrap().code(), Some(0), "{}", image.logged());
    let new: BTreeSet<String> = image.files().difference(&before).cloned().collect();
    // The manifests mount a directory in memory at /tmp, where the local socket is.
    let is_expected = |file: &str| file == "tmp" || file.starts_with("var/");
    let elsewhere = new.iter().find(|file| !is_expected(file));
    assert_eq!(elsewhere, None, "the root file system may be read only");
    assert!(image.logged().contains("--log-dir"), "{}", image.logged());
}
