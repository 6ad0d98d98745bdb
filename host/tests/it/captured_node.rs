//! From a provider file in a directory to a device in a container, over a node captured from a real kernel.

use sriovdp_fake_kubelet::ResourceView;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, both_modes};

both_modes!(captured_node_is_registered, device_info_outlives_the_plugin,);

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

async fn captured_node_is_registered(mode: RegistrationMode) {
    let node = TestNode::with_config(CAPTURED, mode, POOLS);
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
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
        match mode {
            RegistrationMode::Watcher => {
                let name = resource.replace('/', "_");
                assert_eq!(
                    view.endpoint,
                    format!("/var/lib/kubelet/plugins_registry/{name}.sock")
                );
            }
            RegistrationMode::Register => assert!(
                view.endpoint.starts_with(&resource.replace('/', "_")),
                "{}",
                view.endpoint
            ),
        }
    }
    assert_eq!(kubelet.violations(), [""; 0]);
}

/// The `/dev` of a container is made with it: nodes that come later are missing there, and the kernel has them.
#[tokio::test]
async fn allocate_accepts_device_nodes_that_only_sysfs_has() {
    let config = r#"{"resourceList": [
        {"resourceName": "dpdk", "selectors": {"pfNames": ["eth2#1"]}},
        {"resourceName": "vdpa", "selectors": {"vdpaType": "vhost"}}
    ]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    // The numbers and the texts are those of the captured kernel, which gives vhost-vdpa an empty `uevent`.
    node.change(
        r"
        nodev /dev/vfio/19
        nodev /dev/vhost-vdpa-0
        /sys/dev/char/245:0 -> ../../devices/virtual/vfio/19
        /sys/devices/virtual/vfio/19/uevent = MAJOR=245\nMINOR=0\nDEVNAME=vfio/19
        /sys/dev/char/511:0 -> ../../devices/pci0000:80/0000:80:01.0/0000:82:00.0/vdpa:0000:82:00.0/vhost-vdpa-0
        ",
    );
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
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

async fn device_info_outlives_the_plugin(mode: RegistrationMode) {
    let node = TestNode::with_config(CAPTURED, mode, POOLS);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    kubelet
        .wait_for("intel.com/dpdk", |view| view.allocatable() > 0)
        .await
        .unwrap();
    kubelet
        .allocate("intel.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap();
    let directory = node.root().join("var/run/k8s.cni.cncf.io/devinfo/dp");
    let file = directory.join("intel.com-dpdk-0000:41:10.2-device.json");
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert!(file.exists(), "it is gone with the plugin");
    let before = std::fs::read(&file).unwrap();

    let _daemon = node.daemon();
    kubelet
        .wait_for("intel.com/dpdk", |view| {
            view.registrations > 1 && view.allocatable() > 0
        })
        .await
        .unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), before);
}
