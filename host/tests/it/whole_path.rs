//! From a provider file in a directory to a device in a container, over a node captured from a real kernel.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sriovdp_fake_kubelet::ResourceView;

use crate::world::{CAPTURED, Way, World, both_ways};

both_ways!(
    the_captured_node_is_offered,
    containers_get_what_their_driver_needs,
    ids_stay_in_the_kubelets_order,
    unknown_ids_are_refused_by_name,
    a_missing_device_node_refuses_the_pod,
    a_new_vf_joins_its_pool_and_a_lost_one_leaves_as_unhealthy,
    device_info_outlives_the_plugin,
);

const POOLS: &str = r#"{"resourceList": [
    {"resourceName": "kernel", "selectors": {"drivers": ["igbvf"], "rootDevices": ["0000:41:00.0"]}},
    {"resourceName": "dpdk", "selectors": {"vendors": ["8086"], "drivers": ["vfio-pci"], "pfNames": ["eth2#0-1"]},
     "additionalInfo": {"*": {"site": "<one>"}}},
    {"resourceName": "uio", "excludeTopology": true, "selectors": {"pfNames": ["eth2#2"]}},
    {"resourceName": "far", "resourcePrefix": "example.org", "selectors": [{"pfNames": ["eth3#0"]}, {"pfNames": ["eth3"]}]},
    {"resourceName": "accel", "deviceType": "accelerator", "selectors": {"vendors": ["1dd8"]}}
]}"#;

fn show(view: &ResourceView) -> Vec<String> {
    let devices = view.devices.iter();
    devices
        .map(|d| format!("{}{} {:?}", d.id, if d.healthy { "" } else { "!" }, d.numa))
        .collect()
}

async fn the_captured_node_is_offered(way: Way) {
    let world = World::with_config(CAPTURED, way, POOLS);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    for (resource, expected) in [
        (
            "intel.com/kernel",
            &["0000:41:10.0 [0]", "0000:41:10.6 [0]"][..],
        ),
        ("intel.com/dpdk", &["0000:41:10.2 [0]"]),
        ("intel.com/uio", &["0000:41:10.4 []"]),
        ("example.org/far", &["0000:81:10.0 [1]", "0000:81:10.2 [1]"]),
        ("intel.com/accel", &["0000:02:10.0 []"]),
    ] {
        let view = kubelet
            .wait_for(resource, |view| view.messages > 0)
            .await
            .unwrap();
        assert_eq!(show(&view), expected, "{resource}");
        assert!(
            !view.options.pre_start_required && view.options.get_preferred_allocation_available
        );
        match way {
            Way::Watcher => {
                let name = resource.replace('/', "_");
                assert_eq!(
                    view.endpoint,
                    format!("/var/lib/kubelet/plugins_registry/{name}.sock")
                );
            }
            Way::Register => assert!(
                view.endpoint.starts_with(&resource.replace('/', "_")),
                "{}",
                view.endpoint
            ),
        }
    }
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn containers_get_what_their_driver_needs(way: Way) {
    let world = World::with_config(CAPTURED, way, POOLS);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    for (resource, id, nodes, info) in [
        (
            "intel.com/kernel",
            "0000:41:10.0",
            &[][..],
            json!({"0000:41:10.0": {"generic": {"deviceID": "0000:41:10.0"}}}),
        ),
        (
            "intel.com/dpdk",
            "0000:41:10.2",
            &["/dev/vfio/vfio", "/dev/vfio/19"],
            json!({"0000:41:10.2": {
                "generic": {"deviceID": "0000:41:10.2"},
                "vfio": {"dev-mount": "/dev/vfio/19", "mount": "/dev/vfio/vfio"},
                "extra": {"site": "<one>"}
            }}),
        ),
        (
            "intel.com/uio",
            "0000:41:10.4",
            &["/dev/uio0"],
            json!({"0000:41:10.4": {"generic": {"deviceID": "0000:41:10.4"}, "uio": {"mount": "/dev/uio0"}}}),
        ),
    ] {
        kubelet
            .wait_for(resource, |view| view.allocatable() > 0)
            .await
            .unwrap();
        let container = kubelet.allocate(resource, &[id]).await.unwrap();
        let variable = format!(
            "PCIDEVICE_{}",
            resource.replace(['/', '.'], "_").to_uppercase()
        );
        let parsed: Value =
            serde_json::from_str(&container.envs[&format!("{variable}_INFO")]).unwrap();
        assert_eq!(parsed, info);
        assert_eq!(container.envs[&variable], id);
        assert_eq!(container.envs.len(), 2);
        let given: Vec<&str> = container
            .devices
            .iter()
            .map(|device| device.host_path.as_str())
            .collect();
        assert_eq!(given, nodes);
        assert!(
            container
                .devices
                .iter()
                .all(|d| d.permissions == "rw" && d.container_path == d.host_path)
        );

        let file = world.root().join(format!(
            "var/run/k8s.cni.cncf.io/devinfo/dp/{}-{id}-device.json",
            resource.replace('/', "-")
        ));
        let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(
            written,
            json!({"type": "pci", "version": "1.1.0", "pci": {"pci-address": id}})
        );
    }
    let container = kubelet
        .allocate("intel.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap();
    let info = &container.envs["PCIDEVICE_INTEL_COM_DPDK_INFO"];
    assert!(
        info.contains("\\u003cone\\u003e"),
        "Go escapes these characters: {info}"
    );
}

async fn ids_stay_in_the_kubelets_order(way: Way) {
    let world = World::with_config(CAPTURED, way, POOLS);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    kubelet
        .wait_for("example.org/far", |view| view.allocatable() == 2)
        .await
        .unwrap();
    let container = kubelet
        .allocate("example.org/far", &["0000:81:10.2", "0000:81:10.0"])
        .await
        .unwrap();
    let expected: BTreeMap<&str, &str> = [
        ("PCIDEVICE_EXAMPLE_ORG_FAR", "0000:81:10.2,0000:81:10.0"),
        (
            "PCIDEVICE_EXAMPLE_ORG_FAR_INFO",
            r#"{"0000:81:10.0":{"generic":{"deviceID":"0000:81:10.0"}},"0000:81:10.2":{"generic":{"deviceID":"0000:81:10.2"}}}"#,
        ),
    ]
    .into();
    let given: BTreeMap<&str, &str> = container
        .envs
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(given, expected);
}

async fn unknown_ids_are_refused_by_name(way: Way) {
    let world = World::with_config(CAPTURED, way, POOLS);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    for resource in ["intel.com/dpdk", "intel.com/accel"] {
        kubelet
            .wait_for(resource, |view| view.allocatable() > 0)
            .await
            .unwrap();
        let status = kubelet
            .allocate(resource, &["0000:ff:1f.7"])
            .await
            .unwrap_err();
        let expected = format!("the resource `{resource}` has no device `0000:ff:1f.7`");
        assert!(status.to_string().contains(&expected), "{status}");
    }
}

/// The `/dev` of a container is made with it: nodes that come later are missing there, and the kernel has them.
#[tokio::test]
async fn device_nodes_that_the_containers_dev_lacks() {
    let config = r#"{"resourceList": [
        {"resourceName": "dpdk", "selectors": {"pfNames": ["eth2#1"]}},
        {"resourceName": "vdpa", "selectors": {"vdpaType": "vhost"}}
    ]}"#;
    let world = World::with_config(CAPTURED, Way::Watcher, config);
    // The numbers and the texts are those of the captured kernel, which gives vhost-vdpa an empty `uevent`.
    world.change(
        r"
        nodev /dev/vfio/19
        nodev /dev/vhost-vdpa-0
        /sys/dev/char/245:0 -> ../../devices/virtual/vfio/19
        /sys/devices/virtual/vfio/19/uevent = MAJOR=245\nMINOR=0\nDEVNAME=vfio/19
        /sys/dev/char/511:0 -> ../../devices/pci0000:80/0000:80:01.0/0000:82:00.0/vdpa:0000:82:00.0/vhost-vdpa-0
        ",
    );
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    for (resource, device, expected) in [
        ("intel.com/dpdk", "0000:41:10.2", "/dev/vfio/19"),
        ("intel.com/vdpa", "0000:82:00.0", "/dev/vhost-vdpa-0"),
    ] {
        kubelet
            .wait_for(resource, |view| view.allocatable() > 0)
            .await
            .unwrap();
        let container = kubelet.allocate(resource, &[device]).await.unwrap();
        let mut nodes = container.devices.iter();
        assert!(
            nodes.any(|node| node.host_path == expected),
            "{container:?}"
        );
    }
}

async fn a_missing_device_node_refuses_the_pod(way: Way) {
    let world = World::with_config(CAPTURED, way, POOLS);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    kubelet
        .wait_for("intel.com/dpdk", |view| view.allocatable() > 0)
        .await
        .unwrap();
    std::fs::remove_file(world.root().join("dev/vfio/19")).unwrap();
    let status = kubelet
        .allocate("intel.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap_err();
    assert!(status.to_string().contains("`/dev/vfio/19`"), "{status}");
    let left = world.root().join("var/run/k8s.cni.cncf.io/devinfo/dp");
    assert!(!left.exists(), "a refused Allocate leaves nothing behind");
    // What a container gets is read when it is asked for.
    world.change("dev /dev/vfio/19");
    kubelet
        .allocate("intel.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap();
}

async fn a_new_vf_joins_its_pool_and_a_lost_one_leaves_as_unhealthy(way: Way) {
    let world = World::with_config(CAPTURED, way, POOLS);
    let kubelet = world.kubelet().await;
    let daemon = world.daemon();
    let before = kubelet
        .wait_for("example.org/far", |view| view.allocatable() == 2)
        .await
        .unwrap();
    world.change("vf 0000:81:10.4 8086:10ca pf=0000:81:00.0 id=2 driver=igbvf net=eth20 numa=1");
    daemon.signal(rustix::process::Signal::HUP);
    let after = kubelet
        .wait_for("example.org/far", |view| view.allocatable() == 3)
        .await
        .unwrap();
    assert_eq!(
        (after.messages, after.registrations),
        (before.messages + 1, 1),
        "one more list on the same stream"
    );

    world.change("unplug 0000:81:10.4");
    daemon.signal(rustix::process::Signal::HUP);
    let lost = kubelet
        .wait_for("example.org/far", |view| view.allocatable() == 2)
        .await
        .unwrap();
    assert_eq!(lost.capacity(), 3, "it stays in the list");
    let status = kubelet
        .allocate("example.org/far", &["0000:81:10.4"])
        .await
        .unwrap_err();
    assert!(
        status.to_string().contains("no longer on this node"),
        "{status}"
    );
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn device_info_outlives_the_plugin(way: Way) {
    let world = World::with_config(CAPTURED, way, POOLS);
    let kubelet = world.kubelet().await;
    let mut daemon = world.daemon();
    kubelet
        .wait_for("intel.com/dpdk", |view| view.allocatable() > 0)
        .await
        .unwrap();
    kubelet
        .allocate("intel.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap();
    let directory = world.root().join("var/run/k8s.cni.cncf.io/devinfo/dp");
    let file = directory.join("intel.com-dpdk-0000:41:10.2-device.json");
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert!(file.exists(), "it is gone with the plugin");
    let before = std::fs::read(&file).unwrap();

    let _daemon = world.daemon();
    kubelet
        .wait_for("intel.com/dpdk", |view| {
            view.registrations > 1 && view.allocatable() > 0
        })
        .await
        .unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), before);
}
