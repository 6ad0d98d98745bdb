//! Devices that pods have: they stay in their pools, also over a restart of the plugin, and are in no other pool.

use rustix::process::Signal;
use sriovdp_fake_kubelet::FakeKubelet;

use crate::test_node::{Daemon, RegistrationMode, TestNode, built};

/// RDMA in exclusive mode: a pod takes the RDMA devices of its functions along, and its network interfaces.
const NODE: &str = "
pf 0000:5e:00.0 15b3:1017 driver=mlx5_core net=ib0 ib=mlx5_0 link=infiniband
vf 0000:5e:00.{1-3} 15b3:1018 pf=0000:5e:00.0 id={0-2} driver=mlx5_core net=ib0v{0-2} ib=mlx5_{1-3} link=infiniband
ib mlx5_{1-3} uverbs={1-3} umad={1-3} pkey=0x8001
pf 0000:41:00.0 8086:1572 driver=i40e net=ens1
vf 0000:41:02.{0-1} 8086:154c pf=0000:41:00.0 id={0-1} driver=iavf net=ens1v{0-1}
";
const POOLS: &str = r#"{"resourceList": [
    {"resourceName": "keys", "selectors": {"linkTypes": ["infiniband"], "isRdma": true, "pKeys": ["0x8001"]}},
    {"resourceName": "rest", "selectors": {"vendors": ["15b3"]}},
    {"resourceName": "names", "selectors": {"pfNames": ["ens1"], "linkTypes": ["ether"]}}
]}"#;

const KEYS: &str = "intel.com/keys";
const IN_POD: &str = "rm @0000:5e:00.1/infiniband\nrm @0000:5e:00.1/net/ib0v0\n\
                      rm @0000:5e:00.2/infiniband\nrm @0000:5e:00.2/net/ib0v1";

fn node(config: &str) -> TestNode {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, config);
    node.provide("mellanox-rdma", &built("sriovdp_mellanox_rdma"));
    node
}

pub(crate) async fn counts(kubelet: &FakeKubelet, resource: &str, healthy: usize, all: usize) {
    kubelet
        .wait_for(resource, |view| {
            view.connected && (view.allocatable(), view.capacity()) == (healthy, all)
        })
        .await
        .unwrap();
}

fn ids(kubelet: &FakeKubelet, resource: &str) -> Vec<String> {
    let view = kubelet.resource(resource).unwrap();
    view.devices
        .iter()
        .map(|device| device.id.clone())
        .collect()
}

async fn reconcile(node: &TestNode, daemon: &Daemon, change: &str) {
    if !change.is_empty() {
        node.change(change);
    }
    daemon.signal(Signal::HUP);
}

async fn capacity_is_constant_over_a_restart(pod_resources: bool) {
    let node = node(POOLS);
    let kubelet = node
        .kubelet_with(|config| config.pod_resources = pod_resources)
        .await;
    let mut daemon = node.daemon();
    counts(&kubelet, KEYS, 3, 3).await;
    kubelet
        .run_pod_with("one", KEYS, &["0000:5e:00.1"])
        .await
        .unwrap();
    kubelet
        .run_pod_with("two", KEYS, &["0000:5e:00.2"])
        .await
        .unwrap();
    node.change(IN_POD);
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.success());

    let daemon = node.daemon();
    counts(&kubelet, KEYS, 3, 3).await;
    // Which without the pod devices would have them: its selectors are satisfied.
    counts(&kubelet, "intel.com/rest", 0, 0).await;
    let (_, explanation, _) = node.run(&["explain", "--device", "0000:5e:00.1"]).await;
    assert!(
        explanation.contains(
            "intel.com/keys: assigned, by `selectors`; in use by a pod; no selector matches it any more\n"
        ),
        "{explanation}"
    );

    // The pods end, one device returns with another key and one without any, and a third one leaves.
    kubelet.forget_pod("one").unwrap();
    kubelet.forget_pod("two").unwrap();
    reconcile(
        &node,
        &daemon,
        "unplug 0000:5e:00.3
         unplug 0000:5e:00.1
         vf 0000:5e:00.1 15b3:1018 pf=0000:5e:00.0 id=0 driver=mlx5_core net=ib0v0 ib=mlx5_1 link=infiniband
         ib mlx5_1 uverbs=1 umad=1 pkey=0x8002",
    )
    .await;
    counts(&kubelet, "intel.com/rest", 2, 2).await;
    counts(&kubelet, KEYS, 0, 3).await;
    assert_eq!(
        ids(&kubelet, "intel.com/rest"),
        ["0000:5e:00.1", "0000:5e:00.2"]
    );
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn a_restart_changes_no_capacity_by_pod_resources() {
    capacity_is_constant_over_a_restart(true).await;
}

#[tokio::test]
async fn a_restart_changes_no_capacity_by_the_checkpoint() {
    capacity_is_constant_over_a_restart(false).await;
}

#[tokio::test]
async fn restarted_kubelet_without_pods_frees_no_device() {
    let node = node(POOLS);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    counts(&kubelet, KEYS, 3, 3).await;
    kubelet
        .run_pod_with("one", KEYS, &["0000:5e:00.1"])
        .await
        .unwrap();
    kubelet.restart().await.unwrap();
    kubelet.set_pods_known(false);
    // What the selectors match is in the pod, so the reconcile depends on the pod devices.
    reconcile(
        &node,
        &daemon,
        "rm @0000:5e:00.1/infiniband\nrm @0000:5e:00.1/net/ib0v0\nunplug 0000:41:02.1",
    )
    .await;
    counts(&kubelet, "intel.com/names", 1, 2).await;
    counts(&kubelet, KEYS, 3, 3).await;
    counts(&kubelet, "intel.com/rest", 0, 0).await;
    let (_, explanation, _) = node.run(&["explain", "--device", "0000:5e:00.1"]).await;
    assert!(
        explanation.contains("intel.com/keys: assigned, by `selectors`; in use by a pod"),
        "{explanation}"
    );
}

#[tokio::test]
async fn interface_in_a_pod_keeps_its_device_in_the_pool() {
    let node = node(POOLS);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    counts(&kubelet, "intel.com/names", 2, 2).await;
    let both = ["0000:41:02.0", "0000:41:02.1"];
    kubelet
        .run_pod_with("both", "intel.com/names", &both)
        .await
        .unwrap();
    node.change(
        "rm @0000:41:00.0/net/ens1\nrm @0000:41:02.0/net/ens1v0\nrm @0000:41:02.1/net/ens1v1",
    );
    daemon.signal(Signal::TERM);
    daemon.ended().await;
    let _daemon = node.daemon();
    counts(&kubelet, "intel.com/names", 2, 2).await;
}

#[tokio::test]
async fn pod_device_moves_to_its_new_pool_when_the_pod_ends() {
    let node =
        node(r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["ens1"]}}]}"#);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    counts(&kubelet, "intel.com/a", 2, 2).await;
    kubelet
        .run_pod_with("pod", "intel.com/a", &["0000:41:02.0"])
        .await
        .unwrap();
    // The resource gets another name, so its devices a new pool.
    node.configure(
        r#"{"resourceList": [{"resourceName": "b", "selectors": {"pfNames": ["ens1"]}}]}"#,
    );
    counts(&kubelet, "intel.com/b", 1, 1).await;
    assert_eq!(ids(&kubelet, "intel.com/b"), ["0000:41:02.1"]);
    kubelet.forget_pod("pod").unwrap();
    // The end of a pod has no event but its changes of the node.
    reconcile(&node, &daemon, "unplug 0000:41:02.1").await;
    kubelet
        .wait_for("intel.com/b", |view| {
            view.devices
                .iter()
                .any(|d| d.id == "0000:41:02.0" && d.healthy)
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn pod_devices_are_read_only_when_needed() {
    let node = node(POOLS);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    counts(&kubelet, KEYS, 3, 3).await;
    let asked = kubelet.pod_resources_calls();
    assert!(asked >= 1, "at the start");
    for link in ["0", "1"] {
        let change = format!("file @0000:41:00.0/net/ens1/carrier {link}");
        reconcile(&node, &daemon, &change).await;
        let healthy = if link == "1" { 2 } else { 0 };
        counts(&kubelet, "intel.com/names", healthy, 2).await;
    }
    assert_eq!(
        kubelet.pod_resources_calls(),
        asked,
        "no device joined or left"
    );
    reconcile(&node, &daemon, "unplug 0000:41:02.1").await;
    counts(&kubelet, "intel.com/names", 1, 2).await;
    assert_eq!(kubelet.pod_resources_calls(), asked + 1);
}

#[tokio::test]
async fn pod_device_with_a_mismatching_driver_is_unhealthy() {
    let config = r#"{"resourceList": [
        {"resourceName": "kernel", "selectors": {"pfNames": ["ens1"], "drivers": ["iavf"]}},
        {"resourceName": "dpdk", "selectors": {"rootDevices": ["0000:41:00.0"], "drivers": ["vfio-pci"]}}
    ]}"#;
    let node = node(config);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    let kernel = "intel.com/kernel";
    counts(&kubelet, kernel, 2, 2).await;
    kubelet
        .run_pod_with("pod", kernel, &["0000:41:02.0"])
        .await
        .unwrap();
    // The pod has the interface, and the other one of the physical function was removed.
    let in_pod = "rm @0000:41:02.0/net/ens1v0\nrm @0000:41:00.0/net/ens1";
    reconcile(&node, &daemon, in_pod).await;
    daemon.signal(Signal::TERM);
    daemon.ended().await;
    let mut daemon = node.daemon();
    counts(&kubelet, kernel, 1, 1).await;
    let rebound = "link @0000:41:02.0/driver ../../../bus/pci/drivers/vfio-pci\n\
                   link @0000:41:02.0/iommu_group ../../../kernel/iommu_groups/7\ndev /dev/vfio/7";
    reconcile(&node, &daemon, rebound).await;
    counts(&kubelet, kernel, 0, 1).await;
    let reason = "`drivers`: it has vfio-pci, not one of iavf";
    daemon
        .logs("device_unhealthy")
        .with("resource", "intel.com/kernel")
        .with("devices", "0000:41:02.0")
        .with("reason", reason)
        .await;
    let reported = "intel.com/kernel: assigned, by `selectors`; in use by a pod; no selector matches it any more; \
                unhealthy: `drivers`: it has vfio-pci, not one of iavf\n";
    let (_, explanation, _) = node.run(&["explain", "--device", "0000:41:02.0"]).await;
    assert!(explanation.contains(reported), "{explanation}");
    // It is so by what is there, and not by what the process remembers.
    daemon.signal(Signal::TERM);
    daemon.ended().await;
    let daemon = node.daemon();
    counts(&kubelet, kernel, 0, 1).await;
    counts(&kubelet, "intel.com/dpdk", 0, 0).await;

    kubelet.forget_pod("pod").unwrap();
    // The interface of the physical function is back, so the other device joins the pool.
    reconcile(&node, &daemon, "file @0000:41:00.0/net/ens1/carrier 1").await;
    counts(&kubelet, kernel, 1, 2).await;
    // Its driver lacks the container file of its framework, which is nothing to who asks for another driver.
    counts(&kubelet, "intel.com/dpdk", 0, 1).await;
    reconcile(&node, &daemon, "dev /dev/vfio/vfio").await;
    counts(&kubelet, "intel.com/dpdk", 1, 1).await;
    daemon
        .logs("device_unhealthy")
        .with("devices", "0000:41:02.0")
        .containing(
            "reason",
            "it no longer matches its resource: `drivers`: it has vfio-pci",
        )
        .await;
    assert_eq!(kubelet.violations(), [""; 0]);
}

/// Without a driver, or without the function: no provider offers the device.
#[tokio::test]
async fn pod_device_that_no_provider_offers_stays_over_a_restart() {
    const NAMES: &str = "intel.com/names";
    let node = node(POOLS);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    counts(&kubelet, NAMES, 2, 2).await;
    counts(&kubelet, KEYS, 3, 3).await;
    for (pod, resource, device) in [
        ("driverless", NAMES, "0000:41:02.0"),
        ("unplugged", KEYS, "0000:5e:00.1"),
    ] {
        let run = kubelet.run_pod_with(pod, resource, &[device]).await;
        run.unwrap();
    }
    reconcile(
        &node,
        &daemon,
        "rm @0000:41:02.0/driver\nunplug 0000:5e:00.1",
    )
    .await;
    counts(&kubelet, NAMES, 1, 2).await;
    counts(&kubelet, KEYS, 2, 3).await;
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.success());

    let daemon = node.daemon();
    counts(&kubelet, NAMES, 1, 2).await;
    counts(&kubelet, KEYS, 2, 3).await;
    for (resource, device, reason) in [
        (NAMES, "0000:41:02.0", "no driver is bound to it"),
        (KEYS, "0000:5e:00.1", "it is no longer on this node"),
    ] {
        let refused = kubelet.allocate(resource, &[device]).await;
        let refused = refused.unwrap_err().message().to_owned();
        assert!(refused.contains(reason), "{refused}");
    }
    let bound = "link @0000:41:02.0/driver ../../../bus/pci/drivers/iavf";
    reconcile(&node, &daemon, bound).await;
    counts(&kubelet, NAMES, 2, 2).await;
    assert_eq!(kubelet.violations(), [""; 0]);
}
