//! Device nodes through the Container Device Interface.

use serde_json::{Value, json};

use crate::world::{CAPTURED, Way, World};

const POOLS: &str = r#"{"resourceList": [
    {"resourceName": "dpdk", "selectors": {"drivers": ["vfio-pci"]}},
    {"resourceName": "mixed", "selectors": {"pfNames": ["eth2"]}}
]}"#;

fn spec(world: &World, pool: &str) -> Value {
    let file = world.root().join(format!(
        "var/run/cdi/sriov-dp-intel.com-net-pci-{pool}.yaml"
    ));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[tokio::test]
async fn containers_get_names_and_the_runtime_finds_nodes() {
    let world = World::with_config(CAPTURED, Way::Watcher, POOLS);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon_with(&["--use-cdi"]);
    kubelet
        .wait_for("intel.com/mixed", |view| view.allocatable() == 3)
        .await
        .unwrap();
    let container = kubelet
        .allocate("intel.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap();
    assert!(container.devices.is_empty() && container.annotations.is_empty());
    let names: Vec<&str> = container
        .cdi_devices
        .iter()
        .map(|device| device.name.as_str())
        .collect();
    assert_eq!(names, ["intel.com/net-pci=0000:41:10.2"]);
    let node = |path| json!({"path": path, "hostPath": path, "permissions": "rw"});
    assert_eq!(
        spec(&world, "dpdk")["devices"],
        json!([{
            "name": "0000:41:10.2",
            "containerEdits": {"deviceNodes": [node("/dev/vfio/vfio"), node("/dev/vfio/19")]}
        }])
    );
    // Of the mixed pool only the device on uio has a node, and the others are given out without a name.
    let container = kubelet
        .allocate("intel.com/mixed", &["0000:41:10.0", "0000:41:10.4"])
        .await
        .unwrap();
    let names: Vec<&str> = container
        .cdi_devices
        .iter()
        .map(|device| device.name.as_str())
        .collect();
    assert_eq!(names, ["intel.com/net-pci=0000:41:10.4"]);
    assert_eq!(
        container.envs["PCIDEVICE_INTEL_COM_MIXED"],
        "0000:41:10.0,0000:41:10.4"
    );
}

#[tokio::test]
async fn an_allocation_brings_the_specification_up_to_date() {
    let world = World::with_config(CAPTURED, Way::Watcher, POOLS);
    let kubelet = world.kubelet().await;
    let mut daemon = world.daemon_with(&["--use-cdi"]);
    kubelet
        .wait_for("intel.com/dpdk", |view| view.allocatable() == 1)
        .await
        .unwrap();
    // The same VF in another IOMMU group, as after a new boot of its driver.
    world.change(
        "rm @0000:41:10.2/iommu_group\n\
         link @0000:41:10.2/iommu_group ../../../../kernel/iommu_groups/77\n\
         dir /sys/kernel/iommu_groups/77\n\
         dev /dev/vfio/77",
    );
    kubelet
        .allocate("intel.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap();
    let nodes = &spec(&world, "dpdk")["devices"][0]["containerEdits"]["deviceNodes"];
    assert_eq!(nodes[1]["path"], "/dev/vfio/77");
    // A container may be restarted after the plugin has ended.
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert_eq!(spec(&world, "dpdk")["devices"][0]["name"], "0000:41:10.2");
}
