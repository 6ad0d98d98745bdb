//! An incremental reconcile yields the same state as a full one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sriovdp_agent::output::cdi::CdiNames;
use sriovdp_agent::pools::Health;
use sriovdp_agent::reconcile::{KubeletOptions, Reconciler};
use sriovdp_fake_kubelet::ResourceView;
use sriovdp_kubelet::DirectoryChanges;
use tokio::sync::watch;

use crate::in_process::{reconciled, reconciler, reconciler_with_discovery_wait};
use crate::test_node::{RegistrationMode, TestNode, built};

const NODE: &str = "
pci 0000:02:00.0 8086:1533 driver=igb net=eno1
route eno1 default
nodev /dev/vhost-net
pf 0000:17:00.0 f0f0:0001 class=120000 driver=fpga
pci 0000:18:00.{0-1} f0f0:0002 class=120000 driver=vfio-pci group=1{0-1}
pf 0000:41:00.0 8086:1572 driver=i40e net=ens1
vf 0000:41:02.{0-3} 8086:154c pf=0000:41:00.0 id={0-3} driver=iavf net=ens1v{0-3}
net bond0 up=1
pf 0000:65:00.0 15b3:101d driver=mlx5_core net=ens3 ib=mlx5_0 switch=65 port=p0
vf 0000:65:00.{2-3} 15b3:101e pf=0000:65:00.0 id={0-1} driver=mlx5_core net=ens3v{0-1}
vdpa vdpa{0-1} on=0000:65:00.{2-3} driver=vhost_vdpa dev=vhost-vdpa-{0-1}
vf 0000:65:00.{4-5} 15b3:101e pf=0000:65:00.0 id={2-3} driver=mlx5_core net=ens3v{2-3} ib=mlx5_{4-5}
ib mlx5_{4-5} uverbs={4-5} umad={4-5}
pf 0000:81:00.0 15b3:101d driver=mlx5_core net=ens4 ib=mlx5_9
sf mlx5_core.sf.{2-4} on=0000:81:00.0 num=1{2-4} net=en{2-4} ib=mlx5_1{2-4}
ib mlx5_1{2-4} uverbs=1{2-4} umad=1{2-4}
";
const POOLS: &str = r#"{"resourceList": [
    {"resourceName": "fpga", "deviceType": "accelerator", "selectors": {"pciAddresses": ["0000:17:00.0", "0000:18:00.0"]}},
    {"resourceName": "faulty", "deviceType": "faulty"},
    {"resourceName": "vhost", "selectors": {"vdpaType": "vhost"}},
    {"resourceName": "rdma", "selectors": [{"isRdma": true, "rootDevices": ["0000:65:00.0"]}, {"drivers": ["vfio-pci"]}]},
    {"resourceName": "sf", "deviceType": "auxNetDevice", "selectors": {"auxTypes": ["sf"], "isRdma": true}},
    {"resourceName": "first", "selectors": {"pfNames": ["ens1#0-1"], "needVhostNet": true}},
    {"resourceName": "rest", "selectors": {"vendors": ["8086", "15b3"]}}
]}"#;

/// What happens to the node, and the functions in the events of a kernel then.
const STEPS: [(&str, &str); 19] = [
    ("", ""),
    (
        "nodev /dev/vhost-vdpa-0\nnodev /dev/infiniband/umad4",
        "0000:65:00.2 0000:65:00.4",
    ),
    // What was found on others before has to stay: their nodes are still missing.
    ("file @0000:65:00.3/numa_node 1", "0000:65:00.3"),
    ("unplug 0000:41:02.1", "0000:41:02.1"),
    (
        "vf 0000:41:02.4 8086:154c pf=0000:41:00.0 id=4 driver=iavf",
        "0000:41:02.4",
    ),
    (
        "vf 0000:41:02.1 8086:154c pf=0000:41:00.0 id=1 driver=vfio-pci group=21",
        "0000:41:02.1",
    ),
    ("file @0000:41:00.0/net/ens1/carrier 0", "0000:41:00.0"),
    (
        "vf 0000:41:02.5 8086:154c pf=0000:41:00.0 id=5 driver=iavf",
        "0000:41:02.5",
    ),
    ("file @0000:41:00.0/net/ens1/carrier 1", "0000:41:00.0"),
    (
        "unplug mlx5_core.sf.3\nsf mlx5_core.sf.10 on=0000:81:00.0 num=20 net=en20",
        "0000:81:00.0",
    ),
    (
        "sf mlx5_core.sf.3 on=0000:65:00.0 num=3 net=en30 ib=mlx5_30\nib mlx5_30 uverbs=30 umad=30",
        "0000:65:00.0",
    ),
    // Its port has no link, and then the port is in a bond.
    ("file @0000:65:00.0/net/ens3/carrier 0", "0000:65:00.0"),
    (
        "link @0000:65:00.0/net/ens3/master ../../../../virtual/net/bond0",
        "0000:65:00.0",
    ),
    ("nodev /dev/vfio/10", "0000:18:00.0"),
    ("unplug 0000:65:00.0", "0000:65:00.0"),
    (
        "pf 0000:65:00.0 15b3:101d driver=mlx5_core net=ens3",
        "0000:65:00.0",
    ),
    (
        "vf 0000:65:00.2 15b3:101e pf=0000:65:00.0 id=0 driver=mlx5_core net=ens3v0",
        "0000:65:00.0 0000:65:00.2",
    ),
    (
        "pci 0000:00:01.0 8086:1572 driver=i40e net=eth7",
        "0000:00:01.0",
    ),
    ("unplug 0000:00:01.0", "0000:00:01.0"),
];

/// What is kept out of resources, and what providers warn of.
fn notes(state: &Reconciler) -> Vec<String> {
    let kept_out = state.kept_out().into_iter().map(|k| k.to_string());
    let warnings = state.node_warnings().into_iter().map(|w| w.to_string());
    kept_out.chain(warnings).collect()
}

/// Each device of each resource, in their order: what is known of it.
type Pools = BTreeMap<String, Vec<String>>;

#[tokio::test]
async fn incremental_reconcile_equals_a_full_one() {
    let node = TestNode::without_providers(NODE, RegistrationMode::Watcher);
    node.configure(POOLS);
    for (name, library) in [
        ("net-device", "sriovdp_net_device"),
        ("accelerator", "sriovdp_accelerator"),
        ("aux-net-device", "sriovdp_aux_net_device"),
        ("mellanox-rdma", "sriovdp_mellanox_rdma"),
        // It does not go function by function, and is asked about everything.
        ("faulty", "sriovdp_faulty_provider"),
    ] {
        node.provide(name, &built(library));
    }
    let mut lives = reconciler(&node, None);
    let first = lives.reconcile().await;
    assert!(first.problems.is_empty(), "{:?}", first.problems);
    assert!(
        pools(&lives).values().all(|devices| !devices.is_empty()),
        "{:?}",
        pools(&lives)
    );
    for (change, touched) in STEPS {
        node.change(change);
        let touched: BTreeSet<_> = touched.split(' ').filter_map(|a| a.parse().ok()).collect();
        lives.reconcile_functions(&touched).await;
        // It has loaded the libraries anew, so nothing is remembered.
        let starts = reconciled(&node).await;
        for (name, devices) in pools(&starts) {
            assert_eq!(pools(&lives)[&name], devices, "`{name}` after `{change}`");
        }
        assert_eq!(notes(&lives).len(), 3, "after `{change}`");
        assert_eq!(notes(&lives), notes(&starts), "after `{change}`");
    }
}

#[tokio::test]
async fn incremental_reconcile_reads_only_its_functions() {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, POOLS);
    let mut lives = reconciled(&node).await;
    let before = pools(&lives);
    // No event names these.
    node.change("file @0000:41:02.0/numa_node 1\nfile @0000:41:00.0/net/ens1/carrier 0");
    lives
        .reconcile_functions(&["0000:65:00.3".parse().unwrap()].into())
        .await;
    assert_eq!(pools(&lives), before);
    lives.reconcile().await;
    assert_ne!(pools(&lives), before);
}

/// No reconcile waits for a discovery here, so each one publishes what the answers before it lead to.
#[tokio::test]
async fn late_provider_keeps_its_pools_after_an_incremental_reconcile() {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, POOLS);
    let (_directories, ticks) = watch::channel(0);
    // With a kubelet, a reconcile continues without a late discovery.
    let kubelet = KubeletOptions {
        mode: RegistrationMode::Watcher,
        directory_changes: DirectoryChanges::new(ticks),
        use_cdi: false,
        cdi_names: CdiNames::Field,
    };
    let complete = pools(&reconciled(&node).await);
    let mut lives = reconciler_with_discovery_wait(&node, Some(kubelet), Duration::ZERO);
    lives.reconcile().await;
    while pools(&lives) != complete {
        lives.changed().await.unwrap();
        lives.reconcile().await;
    }
    let functions = ["0000:65:00.3".parse().unwrap()].into();
    for _ in 0..3 {
        lives.reconcile_functions(&functions).await;
        assert_eq!(pools(&lives), complete);
        lives.reconcile().await;
        assert_eq!(pools(&lives), complete);
    }
}

/// The host reads `numa_node`, and a provider `acpi_index`. The next rescan is a minute away.
#[tokio::test]
async fn unreadable_attribute_is_read_again_by_the_daemon() {
    let node = "pf 0000:41:00.0 8086:1572 driver=i40e net=ens1
                vf 0000:41:02.{0-1} 8086:154c pf=0000:41:00.0 id={0-1} driver=iavf numa=-";
    let config = r#"{"resourceList": [
        {"resourceName": "index", "selectors": {"acpiIndexes": ["7"]}},
        {"resourceName": "all", "selectors": {"pfNames": ["ens1"]}}
    ]}"#;
    let node = TestNode::with_config(node, RegistrationMode::Watcher, config);
    let functions = node.root().join("sys/bus/pci/devices");
    let index = functions.join("0000:41:02.1/acpi_index");
    let numa_nodes = ["0000:41:02.0", "0000:41:02.1"].map(|f| functions.join(f).join("numa_node"));
    // A directory in place of an attribute fails each read of it.
    for attribute in numa_nodes.iter().chain([&index]) {
        std::fs::create_dir(attribute).unwrap();
    }
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    let all = |view: &ResourceView, numa: &[i64]| {
        view.capacity() == 2 && view.devices.iter().all(|device| device.numa == numa)
    };
    kubelet
        .wait_for("intel.com/all", |view| all(view, &[]))
        .await
        .unwrap();
    for numa_node in numa_nodes {
        std::fs::remove_dir(&numa_node).unwrap();
        std::fs::write(numa_node, "1").unwrap();
    }
    kubelet
        .wait_for("intel.com/all", |view| all(view, &[1]))
        .await
        .unwrap();
    std::fs::remove_dir(&index).unwrap();
    std::fs::write(&index, "7").unwrap();
    kubelet
        .wait_for("intel.com/index", |view| view.allocatable() == 1)
        .await
        .unwrap();
}

/// A function of which the vendor cannot be read is in no resource, and the log and `explain` have the reason.
#[tokio::test]
async fn a_function_that_cannot_be_read_is_named() {
    let config =
        r#"{"resourceList": [{"resourceName": "all", "selectors": {"drivers": ["iavf"]}}]}"#;
    let node = "pf 0000:41:00.0 8086:1572 driver=i40e net=ens1
                vf 0000:41:02.{0-1} 8086:154c pf=0000:41:00.0 id={0-1} driver=iavf";
    let node = TestNode::with_config(node, RegistrationMode::Watcher, config);
    let vendor = node.root().join("sys/bus/pci/devices/0000:41:02.1/vendor");
    let text = std::fs::read_to_string(&vendor).unwrap();
    std::fs::remove_file(&vendor).unwrap();
    std::fs::create_dir(&vendor).unwrap();
    let (_, _, errors) = node.run(&["explain", "0000:41:02.1"]).await;
    assert!(errors.contains("its `vendor` cannot be read"), "{errors}");
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    let logged = daemon.logs("function_unreadable");
    logged.with("device", "0000:41:02.1").await;
    std::fs::remove_dir(&vendor).unwrap();
    std::fs::write(&vendor, text).unwrap();
    kubelet
        .wait_for("intel.com/all", |view| view.allocatable() == 2)
        .await
        .unwrap();
}

fn pools(state: &Reconciler) -> Pools {
    let pools = state.pools().map(|pool| {
        let devices = pool.devices.iter();
        let present = devices.filter(|device| !matches!(device.health, Health::Removed { .. }));
        let reported = present
            .map(|device| {
                let (id, numa, selector) = (&device.id, device.numa_node, device.selector);
                format!("{id} {numa:?} {:?} {selector:?}", device.health)
            })
            .collect();
        (pool.resource.name.to_string(), reported)
    });
    pools.collect()
}
