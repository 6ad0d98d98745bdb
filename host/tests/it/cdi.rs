//! Device nodes through the Container Device Interface.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const POOLS: &str = r#"{"resourceList": [
    {"resourceName": "dpdk", "selectors": {"drivers": ["vfio-pci"]}},
    {"resourceName": "mixed", "selectors": {"pfNames": ["eth2"]}}
]}"#;

fn spec(node: &TestNode, pool: &str) -> Value {
    let file = node.root().join(format!(
        "var/run/cdi/sriov-dp-intel.com-net-pci-{pool}.yaml"
    ));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[tokio::test]
async fn containers_get_names_and_the_runtime_finds_nodes() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon_with(&["--use-cdi"]);
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
    let device_node = |path| json!({"path": path, "hostPath": path, "permissions": "rw"});
    assert_eq!(
        spec(&node, "dpdk")["devices"],
        json!([{
            "name": "0000:41:10.2",
            "containerEdits": {"deviceNodes": [
                device_node("/dev/vfio/vfio"),
                device_node("/dev/vfio/19"),
                device_node("/dev/vfio/devices/vfio0"),
            ]}
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
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon_with(&["--use-cdi"]);
    kubelet
        .wait_for("intel.com/dpdk", |view| view.allocatable() == 1)
        .await
        .unwrap();
    // The same VF in another IOMMU group, as after a new boot of its driver.
    node.change(
        "rm @0000:41:10.2/iommu_group\n\
         link @0000:41:10.2/iommu_group ../../../../kernel/iommu_groups/77\n\
         dir /sys/kernel/iommu_groups/77\n\
         dev /dev/vfio/77",
    );
    kubelet
        .allocate("intel.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap();
    let nodes = &spec(&node, "dpdk")["devices"][0]["containerEdits"]["deviceNodes"];
    assert_eq!(nodes[1]["path"], "/dev/vfio/77");
    // A container may be restarted after the plugin has ended.
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert_eq!(spec(&node, "dpdk")["devices"][0]["name"], "0000:41:10.2");
}

#[tokio::test]
async fn device_that_changes_pools_is_in_one_cdi_specification() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon_with(&["--use-cdi"]);
    kubelet
        .wait_for("intel.com/mixed", |view| view.allocatable() == 3)
        .await
        .unwrap();
    node.configure(
        r#"{"resourceList": [
            {"resourceName": "all", "selectors": {"pfNames": ["eth2"]}},
            {"resourceName": "dpdk", "selectors": {"drivers": ["vfio-pci"]}},
            {"resourceName": "mixed", "selectors": {"drivers": ["nothing"]}}
        ]}"#,
    );
    let all = kubelet.wait_for("intel.com/all", |view| view.allocatable() == 4);
    all.await.unwrap();
    // An Allocate writes the same entry as a reconcile.
    let device = "0000:41:10.4";
    let allocated = kubelet.allocate("intel.com/all", &[device]).await.unwrap();
    assert_eq!(
        allocated.cdi_devices[0].name,
        "intel.com/net-pci=0000:41:10.4"
    );
    // The old pool lists it for a minute yet, so that the kubelet notices.
    let left = kubelet.wait_for("intel.com/mixed", |view| {
        view.capacity() == 3 && view.allocatable() == 0
    });
    left.await.unwrap();
    let holding = || {
        let entries = std::fs::read_dir(node.root().join("var/run/cdi")).unwrap();
        let holds = |path: &std::path::Path| {
            std::fs::read_to_string(path).is_ok_and(|text| text.contains(device))
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        let names = paths
            .filter(|path| holds(path))
            .map(|path| path.file_name().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    // The files are written at the end of the reconcile that changed the pools.
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
    let alone = async {
        while holding() != ["sriov-dp-intel.com-net-pci-all.yaml"] {
            ticks.tick().await;
        }
    };
    let alone = tokio::time::timeout(std::time::Duration::from_secs(30), alone).await;
    assert!(alone.is_ok(), "{:?}", holding());
}

#[tokio::test]
async fn pod_device_keeps_its_device_info_when_its_resource_is_withdrawn() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon_with(&["--use-cdi"]);
    kubelet
        .wait_for("intel.com/dpdk", |view| view.allocatable() == 1)
        .await
        .unwrap();
    let pod = kubelet.run_pod_with("pod", "intel.com/dpdk", &["0000:41:10.2"]);
    pod.await.unwrap();
    let before = spec(&node, "dpdk");
    node.configure(
        r#"{"resourceList": [{"resourceName": "uio", "selectors": {"drivers": ["uio_pci_generic"]}}]}"#,
    );
    // It was in the pool `mixed`, whose file goes in the same reconcile that keeps the other one.
    let mixed = node
        .root()
        .join("var/run/cdi/sriov-dp-intel.com-net-pci-mixed.yaml");
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
    let gone = async {
        while mixed.exists() {
            ticks.tick().await;
        }
    };
    let gone = tokio::time::timeout(std::time::Duration::from_secs(30), gone).await;
    assert!(gone.is_ok(), "the file of a pool without users stays");
    assert_eq!(spec(&node, "dpdk"), before);
}

#[tokio::test]
async fn two_pools_of_one_prefix_share_a_container_by_annotations() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon_with(&["--use-cdi", "--cdi-names=annotations"]);
    kubelet
        .wait_for("intel.com/mixed", |view| view.allocatable() == 3)
        .await
        .unwrap();
    let dpdk = kubelet.allocate("intel.com/dpdk", &["0000:41:10.2"]);
    let mut container = dpdk.await.unwrap();
    let mixed = kubelet.allocate("intel.com/mixed", &["0000:41:10.0", "0000:41:10.4"]);
    let mixed = mixed.await.unwrap();
    assert!(container.cdi_devices.is_empty() && mixed.cdi_devices.is_empty());
    assert!(container.devices.is_empty() && mixed.devices.is_empty());
    // The kubelet keeps one value for each key.
    container.annotations.extend(mixed.annotations);
    let annotations: std::collections::BTreeMap<_, _> = container.annotations.into_iter().collect();
    assert_eq!(
        serde_json::to_value(annotations).unwrap(),
        json!({
            "cdi.k8s.io/intel.com_dpdk": "intel.com/net-pci=0000:41:10.2",
            "cdi.k8s.io/intel.com_mixed": "intel.com/net-pci=0000:41:10.4",
        })
    );
    // One that changes nothing for the runtime is not annotated.
    let kernel = kubelet.allocate("intel.com/mixed", &["0000:41:10.0"]);
    assert!(kernel.await.unwrap().annotations.is_empty());
}

#[tokio::test]
async fn another_device_type_is_another_specification() {
    const CARDS: &str = "
        pf 0000:03:00.0 8086:1592 driver=ice net=ens1f0
        vf 0000:03:01.0 8086:1889 pf=0000:03:00.0 id=0 driver=vfio-pci group=40
        pci 0000:17:00.0 8086:0d8f class=120000 driver=vfio-pci group=12
    ";
    let config = |kind: &str| {
        format!(
            r#"{{"resourceList": [{{"resourceName": "x", "deviceType": "{kind}", "selectors": {{"drivers": ["vfio-pci"]}}}}]}}"#
        )
    };
    let node = TestNode::with_config(CARDS, RegistrationMode::Watcher, &config("netDevice"));
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon_with(&["--use-cdi"]);
    let files = || {
        let entries = std::fs::read_dir(node.root().join("var/run/cdi")).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        // A file that is being written has a hidden name.
        let mut files: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        files.sort();
        files
    };
    let has = |id: &'static str| {
        kubelet.wait_for("intel.com/x", move |view| {
            view.devices.iter().any(|d| d.healthy && d.id == id)
        })
    };
    has("0000:03:01.0").await.unwrap();
    kubelet
        .allocate("intel.com/x", &["0000:03:01.0"])
        .await
        .unwrap();
    assert_eq!(files(), ["sriov-dp-intel.com-net-pci-x.yaml"]);

    node.configure(&config("accelerator"));
    has("0000:17:00.0").await.unwrap();
    let container = kubelet.allocate("intel.com/x", &["0000:17:00.0"]);
    let container = container.await.unwrap();
    assert_eq!(
        container.cdi_devices[0].name,
        "intel.com/net-accel=0000:17:00.0"
    );
    // The old file is removed at the end of the reconcile that made the new pool.
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
    let removed = async {
        while files() != ["sriov-dp-intel.com-net-accel-x.yaml"] {
            ticks.tick().await;
        }
    };
    let removed = tokio::time::timeout(std::time::Duration::from_secs(30), removed).await;
    assert!(removed.is_ok(), "{:?}", files());
}

/// A container that restarts needs its entry, also that of a pool that no longer exists.
#[tokio::test]
async fn entries_stay_until_the_devices_of_pods_are_known() {
    let config =
        r#"{"resourceList": [{"resourceName": "dpdk", "selectors": {"drivers": ["vfio-pci"]}}]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    let directory = node.root().join("var/run/cdi");
    std::fs::create_dir_all(&directory).unwrap();
    let file = |pool: &str| directory.join(format!("sriov-dp-intel.com-net-pci-{pool}.yaml"));
    for pool in ["dpdk", "gone"] {
        let earlier = json!({"cdiVersion": "0.5.0", "kind": "intel.com/net-pci", "devices": [
            {"name": pool, "containerEdits": {"deviceNodes": [{"path": "/dev/vfio/9"}]}}
        ]});
        std::fs::write(file(pool), earlier.to_string()).unwrap();
    }
    let kubelets = node.root().join("var/lib/kubelet/device-plugins");
    std::fs::create_dir_all(&kubelets).unwrap();
    let checkpoint = kubelets.join("kubelet_internal_checkpoint");
    std::fs::write(&checkpoint, "{").unwrap();
    let daemon = node.daemon_with(&["--use-cdi"]);
    daemon.logs("pod_devices_unreadable").await;
    let names = || {
        let spec = spec(&node, "dpdk");
        let devices = spec["devices"].as_array().unwrap().iter();
        let names = devices.map(|device| device["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<String>>()
    };
    assert_eq!(names(), ["0000:41:10.2", "dpdk"]);
    assert!(file("gone").exists(), "{}", daemon.log());
    std::fs::remove_file(checkpoint).unwrap();
    daemon.signal(Signal::HUP);
    daemon.logs("cdi_spec_removed").await;
    assert_eq!(names(), ["0000:41:10.2"]);
}
