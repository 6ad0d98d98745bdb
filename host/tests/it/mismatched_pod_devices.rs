//! Devices that pods have and that no selector of their resource fits any more: unhealthy, and refused by Allocate.

use rustix::process::Signal;
use sriovdp_fake_kubelet::FakeKubelet;

use crate::test_node::{Daemon, RegistrationMode, TestNode, both_modes, built};

both_modes!(
    mismatching_pod_device_of_several_selectors_is_unhealthy,
    an_interface_in_a_pod_is_no_mismatch,
);

const NODE: &str = "
pf 0000:41:00.0 8086:1572 driver=i40e net=ens1
vf 0000:41:02.{0-1} 8086:154c pf=0000:41:00.0 id={0-1} driver=vfio-pci group={7-8}
dev /dev/vfio/vfio
";
const VF: &str = "0000:41:02.0";
const VFS: &str = "intel.com/vfs";
/// Binds the device of the pod to another driver, and back.
const TO_IAVF: &str = "link @0000:41:02.0/driver ../../../bus/pci/drivers/iavf";
const TO_VFIO: &str = "link @0000:41:02.0/driver ../../../bus/pci/drivers/vfio-pci";

fn config(selectors: &str) -> String {
    let vfs = format!(r#"{{"resourceName": "vfs", "selectors": {selectors}}}"#);
    format!(r#"{{"resourceList": [{vfs}]}}"#)
}

async fn healthy(kubelet: &FakeKubelet, healthy: usize, all: usize) {
    kubelet
        .wait_for(VFS, |view| {
            view.connected && (view.allocatable(), view.capacity()) == (healthy, all)
        })
        .await
        .unwrap();
}

async fn restart(node: &TestNode, mut daemon: Daemon) -> Daemon {
    daemon.signal(Signal::TERM);
    daemon.ended().await;
    node.daemon()
}

/// As the kubelet requests it when a pod has ended and the plugin has not read that yet.
async fn refusal(kubelet: &FakeKubelet) -> String {
    let refused = kubelet.allocate(VFS, &[VF]).await.unwrap_err();
    refused.message().to_owned()
}

/// Between what is refused and the cure.
fn reason(refusal: &str) -> &str {
    let (_, reason) = refusal.split_once(" any more: ").expect(refusal);
    reason.split_once(" (hint: ").expect(refusal).0
}

async fn mismatching_pod_device_of_several_selectors_is_unhealthy(mode: RegistrationMode) {
    const DRIVER: &str = "`drivers`: it has iavf, not one of vfio-pci";
    const NAME: &str = "`pfNames`: it is number 0 of ens1, and the selector has ens9";
    let two = r#"[{"drivers": ["vfio-pci"], "pfNames": ["ens1#0,2"]}, {"pfNames": ["ens9"]}]"#;
    let node = TestNode::with_config(NODE, mode, &config(two));
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    healthy(&kubelet, 1, 1).await;
    kubelet.run_pod_with("pod", VFS, &[VF]).await.unwrap();
    node.change(TO_IAVF);
    daemon.signal(Signal::HUP);
    healthy(&kubelet, 0, 1).await;
    assert_eq!(reason(&refusal(&kubelet).await), DRIVER);

    // A process without the memory of the selector that matched it.
    let daemon = restart(&node, daemon).await;
    daemon
        .logs("device_unhealthy")
        .with("devices", VF)
        .with("reason", format!("{DRIVER}; {NAME}"))
        .await;
    healthy(&kubelet, 0, 1).await;
    assert_eq!(
        reason(&refusal(&kubelet).await),
        format!("{DRIVER}; {NAME}")
    );
    let (_, explanation, _) = node.run(&["explain", "--device", VF]).await;
    let reported = format!(
        "{VFS}: assigned; in use by a pod; no selector matches it any more; unhealthy: {DRIVER}; {NAME}\n"
    );
    assert!(explanation.contains(&reported), "{explanation}");

    // Back again, the first selector admits it, also for a process that knew of none. It keeps the selector when others
    // come before it, and a new alternative that does not fit makes nothing healthy.
    node.change(TO_VFIO);
    daemon.signal(Signal::HUP);
    healthy(&kubelet, 1, 1).await;
    let three = r#"[{"vendors": ["15b3"]}, {"pfNames": ["ens9"]}, {"drivers": ["vfio-pci"], "pfNames": ["ens1#0,2"]}]"#;
    node.configure(&config(three));
    node.change(TO_IAVF);
    daemon.signal(Signal::HUP);
    healthy(&kubelet, 0, 1).await;
    assert_eq!(reason(&refusal(&kubelet).await), DRIVER);
    // With the end of the pod it leaves. A device that joins is a reason to ask which pods there are.
    kubelet.forget_pod("pod").unwrap();
    node.change("vf 0000:41:02.2 8086:154c pf=0000:41:00.0 id=2 driver=vfio-pci group=9");
    daemon.signal(Signal::HUP);
    daemon
        .logs("device_unhealthy")
        .with("devices", VF)
        .with(
            "reason",
            format!("it no longer matches its resource: {DRIVER}"),
        )
        .await;
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn an_interface_in_a_pod_is_no_mismatch(mode: RegistrationMode) {
    let node = "pf 0000:5e:00.0 15b3:1017 driver=mlx5_core net=ib0 ib=mlx5_0 link=infiniband
         vf 0000:41:02.{0-1} 15b3:1018 pf=0000:5e:00.0 id={0-1} driver=mlx5_core net=ib0v{0-1} ib=mlx5_{1-2} link=infiniband
         ib mlx5_{1-2} uverbs={1-2} umad={1-2} pkey=0x8001";
    // The second one admits it. While the pod has its interfaces, only the first one is contradicted.
    let two = r#"[{"pfNames": ["ib0"], "drivers": ["vfio-pci"]}, {"pfNames": ["ib0#0"], "isRdma": true}]"#;
    let node = TestNode::with_config(node, mode, &config(two));
    node.provide("mellanox-rdma", &built("sriovdp_mellanox_rdma"));
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    healthy(&kubelet, 1, 1).await;
    kubelet.run_pod_with("pod", VFS, &[VF]).await.unwrap();
    node.change("rm @0000:5e:00.0/net/ib0\nrm @0000:41:02.0/net/ib0v0");
    let _daemon = restart(&node, daemon).await;
    healthy(&kubelet, 1, 1).await;
    let container = kubelet.allocate(VFS, &[VF]).await.unwrap();
    let nodes = container.devices.iter();
    assert!(
        nodes
            .clone()
            .any(|node| node.host_path == "/dev/infiniband/uverbs1"),
        "{nodes:?}"
    );
    let (_, explanation, _) = node.run(&["explain", "--device", VF]).await;
    assert!(
        explanation.contains("assigned, by `selectors[1]`; in use by a pod"),
        "{explanation}"
    );
}
