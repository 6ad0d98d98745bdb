//! Warnings of the log and of `check` about the node of a configuration without a mistake.

use expect_test::expect;

use crate::test_node::{RegistrationMode, TestNode};

const NODE: &str = "
pci 0000:01:00.0 8086:1521 driver=igb net=eno1
pf 0000:60:00.0 8086:37d0 driver=i40e net=eno2
vf 0000:60:06.{0-1} 8086:37cd pf=0000:60:00.0 id={0-1} driver=iavf net=eno2v{0-1}
route eno1 default
nodev /dev/vhost-net
nodev /dev/net/tun
";

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "vm", "selectors": {"drivers": ["iavf"], "needVhostNet": true}},
    {"resourceName": "none", "selectors": {"vendors": ["15b3"], "needVhostNet": true}},
    {"resourceName": "any", "selectors": [{"vendors": ["8086"]}, {}]}
]}"#;

#[tokio::test]
async fn check_reports_excluded_devices_and_missing_nodes() {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, CONFIG);
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(0));
    expect![[r#"
        warning: `intel.com/vm`: no pod gets a device, because of `needVhostNet`
        Caused by: the device node `/dev/vhost-net` does not exist on this node
        hint: load the module `vhost_net` on this node
        warning: `intel.com/vm`: no pod gets a device, because of `needVhostNet`
        Caused by: the device node `/dev/net/tun` does not exist on this node
        hint: load the module `tun` on this node
        intel.com/vm: 2 devices, 2 healthy
        intel.com/none: 0 devices, 0 healthy
            of 3 devices most often refused by `vendors` (3), such as 0000:01:00.0: it has 8086, not one of 15b3; 1 not offered at all; see `sriovdp explain --resource intel.com/none`
        intel.com/any: 0 devices, 0 healthy
            of 3 devices; 2 in other pools; 1 kept out; 1 not offered at all; see `sriovdp explain --resource intel.com/any`
        `intel.com/any` is without `0000:01:00.0`: its network interface `eno1` carries the default route of the node, and `pciAddresses` does not name it
    "#]]
    .assert_eq(&output);
    let (_, output, _) = node
        .run(&[
            "explain",
            "--resource",
            "intel.com/any",
            "--device",
            "01:00.0",
        ])
        .await;
    expect![[r#"
        0000:01:00.0 (netDevice)
            intel.com/any: `selectors[0]`: its network interface `eno1` carries the default route of the node, and `pciAddresses` does not name it
            intel.com/any: `selectors[1]`: its network interface `eno1` carries the default route of the node, and `pciAddresses` does not name it
    "#]]
    .assert_eq(&output);
}

#[tokio::test]
async fn node_warning_is_logged_once() {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for("intel.com/vm", |view| view.allocatable() == 2)
        .await
        .unwrap();
    daemon
        .logs("device_kept_out")
        .with("resource", "intel.com/any")
        .with("device", "0000:01:00.0")
        .await;
    // What still holds is not logged again.
    node.change("vf 0000:60:06.2 8086:37cd pf=0000:60:00.0 id=2 driver=iavf net=eno2v2");
    daemon.signal(rustix::process::Signal::HUP);
    kubelet
        .wait_for("intel.com/vm", |view| view.allocatable() == 3)
        .await
        .unwrap();
    let log = daemon.log();
    assert_eq!(daemon.logs("device_kept_out").now().len(), 1, "{log}");
    for (part, times) in [
        (
            "`intel.com/vm`: no pod gets a device, because of `needVhostNet`",
            2,
        ),
        ("`intel.com/none`: no pod", 0),
    ] {
        assert_eq!(log.matches(part).count(), times, "{part}\n{log}");
    }
}
