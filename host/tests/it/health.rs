//! What makes a device unhealthy, what a resource can leave out of that, and that it is logged with its reason.

use rustix::process::Signal;
use sriovdp_fake_kubelet::FakeKubelet;

use crate::test_node::{CAPTURED, Daemon, RegistrationMode, TestNode, built};

const POOLS: &str = r#"{"resourceList": [
    {"resourceName": "kernel", "selectors": {"pfNames": ["eth2"], "drivers": ["igbvf"]}},
    {"resourceName": "dpdk", "selectors": {"pfNames": ["eth2"], "drivers": ["vfio-pci"]}, "health": {"link": false}},
    {"resourceName": "accel", "deviceType": "accelerator", "selectors": {"drivers": ["vfio-pci"]}},
    {"resourceName": "far", "selectors": {"pfNames": ["eth3"]}, "health": {"Existence": false}}
]}"#;
const CARRIER: &str = "@0000:41:00.0/net/eth2/carrier";
const DOWN: &str = "the interface `eth2` of the physical function 0000:41:00.0 has no link";

async fn healthy(kubelet: &FakeKubelet, resource: &str, count: usize) {
    let resource = format!("intel.com/{resource}");
    kubelet
        .wait_for(&resource, |view| view.allocatable() == count)
        .await
        .unwrap();
}

fn change(node: &TestNode, daemon: &Daemon, lines: &str) {
    node.change(lines);
    daemon.signal(Signal::HUP);
}

#[tokio::test]
async fn physical_function_link_sets_health() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    healthy(&kubelet, "kernel", 2).await;
    healthy(&kubelet, "dpdk", 1).await;
    change(&node, &daemon, &format!("file {CARRIER} 0"));
    healthy(&kubelet, "kernel", 0).await;
    let view = kubelet.resource("intel.com/kernel").unwrap();
    assert_eq!(view.capacity(), 2, "an unhealthy device stays");
    daemon
        .logs("device_unhealthy")
        .with("resource", "intel.com/kernel")
        .with("devices", "0000:41:10.0, 0000:41:10.6")
        .with("reason", DOWN)
        .await;
    // Its own link does not count, and a resource may exclude the link.
    healthy(&kubelet, "dpdk", 1).await;

    let (_, list, _) = node.run(&["list"]).await;
    let mut lines = list.lines();
    let unhealthy = lines.find(|line| line.contains("0000:41:10.0"));
    let unhealthy = unhealthy.is_some_and(|line| line.ends_with(&format!("unhealthy: {DOWN}")));
    assert!(unhealthy, "{list}");
    let (_, explanation, _) = node.run(&["explain", "--device", "0000:41:10.0"]).await;
    assert!(
        explanation.contains(&format!("assigned, by `selectors`; unhealthy: {DOWN}\n")),
        "{explanation}"
    );

    // The first change counts at once in both directions; from the second one on, the link has to hold.
    change(&node, &daemon, &format!("file {CARRIER} 1"));
    healthy(&kubelet, "kernel", 2).await;
    daemon
        .logs("device_healthy")
        .with("devices", "0000:41:10.0, 0000:41:10.6")
        .await;
    change(&node, &daemon, &format!("file {CARRIER} 0"));
    healthy(&kubelet, "kernel", 0).await;
    daemon
        .logs("device_unhealthy")
        .containing("reason", "link is flapping")
        .await;
    // Then it is up again without another trigger.
    change(&node, &daemon, &format!("file {CARRIER} 1"));
    healthy(&kubelet, "kernel", 2).await;
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn missing_device_node_is_unhealthy() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    healthy(&kubelet, "dpdk", 1).await;
    healthy(&kubelet, "accel", 1).await;
    change(&node, &daemon, "nodev /dev/vfio/vfio");
    healthy(&kubelet, "dpdk", 0).await;
    healthy(&kubelet, "accel", 0).await;
    let missing = "the device node `/dev/vfio/vfio` does not exist on this node";
    daemon
        .logs("device_unhealthy")
        .with("resource", "intel.com/accel")
        .containing("reason", missing)
        .await;
    change(&node, &daemon, "dev /dev/vfio/vfio");
    healthy(&kubelet, "dpdk", 1).await;
    healthy(&kubelet, "accel", 1).await;
}

#[tokio::test]
async fn health_exclusion_is_respected() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    node.change("unplug 0000:81:10.2\nvf 0000:81:10.2 8086:10ca pf=0000:81:00.0 id=1 driver=vfio-pci group=77\nnodev /dev/vfio/77");
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    healthy(&kubelet, "far", 2).await;
    let refused = kubelet.allocate("intel.com/far", &["0000:81:10.2"]).await;
    let refused = refused.unwrap_err();
    assert!(refused.message().contains("/dev/vfio/77"), "{refused:?}");
}

/// Functions that carry other devices, whose nodes only some resources hand out.
const CARRIERS: &str = "
pf 0000:65:00.0 15b3:101d driver=mlx5_core net=ens3f0 ib=mlx5_0
vf 0000:65:00.{2-3} 15b3:101e pf=0000:65:00.0 id={0-1} driver=mlx5_core net=ens3f0v{0-1}
vdpa vdpa0 on=0000:65:00.2 driver=vhost_vdpa dev=vhost-vdpa-0
vdpa vdpa1 on=0000:65:00.3 driver=vhost_vdpa dev=vhost-vdpa-1
vf 0000:65:00.{4-5} 15b3:101e pf=0000:65:00.0 id={2-3} driver=mlx5_core net=ens3f0v{2-3} ib=mlx5_{4-5}
ib mlx5_{4-5} uverbs={4-5} umad={4-5}
";
const CARRIED: &str = r#"{"resourceList": [
    {"resourceName": "vhost", "selectors": {"vdpaType": "vhost", "pciAddresses": ["0000:65:00.2"]}},
    {"resourceName": "rdma", "selectors": {"isRdma": true, "pciAddresses": ["0000:65:00.4"]}},
    {"resourceName": "plain", "selectors": {"pfNames": ["ens3f0"]}}
]}"#;

#[tokio::test]
async fn missing_device_node_is_unhealthy_only_in_pools_that_hand_it_out() {
    let node = TestNode::with_config(CARRIERS, RegistrationMode::Watcher, CARRIED);
    node.provide("mellanox-rdma", &built("sriovdp_mellanox_rdma"));
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    for (resource, count) in [("vhost", 1), ("rdma", 1), ("plain", 2)] {
        healthy(&kubelet, resource, count).await;
    }
    let gone = "nodev /dev/vhost-vdpa-0\nnodev /dev/vhost-vdpa-1\n\
                nodev /dev/infiniband/umad4\nnodev /dev/infiniband/umad5";
    change(&node, &daemon, gone);
    for (resource, id, what, device_node) in [
        (
            "vhost",
            "0000:65:00.2",
            "vDPA device `vdpa0`",
            "/dev/vhost-vdpa-0",
        ),
        (
            "rdma",
            "0000:65:00.4",
            "RDMA device `mlx5_4` of `0000:65:00.4`",
            "/dev/infiniband/umad4",
        ),
    ] {
        healthy(&kubelet, resource, 0).await;
        let reason = format!(
            "cannot hand out the {what}: the device node `{device_node}` does not exist on this node"
        );
        daemon
            .logs("device_unhealthy")
            .with("resource", format!("intel.com/{resource}"))
            .with("devices", id)
            .with("reason", &reason)
            .await;
        let (_, explanation, _) = node.run(&["explain", "--device", id]).await;
        let reported =
            format!("intel.com/{resource}: assigned, by `selectors`; unhealthy: {reason}\n");
        assert!(explanation.contains(&reported), "{explanation}");
    }
    // Whose containers would not get the nodes does not miss them.
    healthy(&kubelet, "plain", 2).await;
    let plain = ["0000:65:00.3", "0000:65:00.5"];
    kubelet.allocate("intel.com/plain", &plain).await.unwrap();
    change(&node, &daemon, &gone.replace("nodev", "dev"));
    healthy(&kubelet, "vhost", 1).await;
    healthy(&kubelet, "rdma", 1).await;
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn device_that_left_its_pool_is_logged_with_the_mismatching_selector() {
    let node = TestNode::with_config(CARRIERS, RegistrationMode::Watcher, CARRIED);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    healthy(&kubelet, "vhost", 1).await;
    let rebound = "link @vdpa0/driver ../../../../bus/vdpa/drivers/virtio_vdpa";
    change(&node, &daemon, rebound);
    healthy(&kubelet, "vhost", 0).await;
    let reason = "it no longer matches its resource: `vdpaType`: it has virtio, not one of vhost";
    daemon
        .logs("device_unhealthy")
        .with("devices", "0000:65:00.2")
        .with("reason", reason)
        .await;
}

#[tokio::test]
async fn returning_function_without_carrier_is_not_flapping() {
    const NODE: &str = "pf 0000:65:00.0 8086:10c9 driver=igb net=ens3";
    const VF: &str = "vf 0000:65:10.0 8086:10ca pf=0000:65:00.0 id=0 driver=igbvf net=ens3v0";
    const POOL: &str =
        r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["ens3"]}}]}"#;
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, POOL);
    let mut lives = crate::in_process::reconciler(&node, None);
    let link = |carrier: u8| format!("file @0000:65:00.0/net/ens3/carrier {carrier}");
    // A driver resets the physical function when it makes virtual ones; later the link goes and returns.
    for (change, is_healthy) in [
        (VF.to_owned(), true),
        ("unplug 0000:65:10.0".to_owned(), false),
        (format!("{VF}\n{}", link(0)), false),
        (link(1), true),
        (link(0), false),
        (link(1), true),
    ] {
        node.change(&change);
        lives.reconcile().await;
        let healthy: usize = lives.pools().map(|pool| pool.healthy()).sum();
        assert_eq!(healthy == 1, is_healthy, "after `{change}`");
    }
}
