//! Pods and their containers: who gets which device, and keeps it.

use serde_json::Value;
use sriovdp_fake_kubelet::{Phase, PodSpec};

use crate::kubelet::pool_node::{Kind, POOL, PoolNode, id, kubelet_matrix};

kubelet_matrix!(
    a_pod_gets_the_devices_it_asks_for_and_no_others,
    a_device_reaches_its_container_through_cdi,
    a_restarted_container_keeps_its_device,
    init_containers_leave_their_devices_to_the_others,
    an_unknown_device_is_refused_by_name,
);

async fn a_pod_gets_the_devices_it_asks_for_and_no_others(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let _daemon = node.registered_daemon().await;
    let one = node.pod("one", 1).await;
    assert_eq!((one.ids(), &one.phase), (vec![&*id(0)], &Phase::Running));
    let environment = &one.devices[0].answer.envs;
    assert_eq!(environment["PCIDEVICE_INTEL_COM_POOL0"], id(0));
    let two = node.pod("two", 1).await;
    assert_eq!(two.ids(), [&id(1)]);
    let three = node.pod("three", 1).await;
    let rejection = three.rejection().expect("both devices are held");
    assert!(
        rejection.contains("Requested: 1, Available: 0"),
        "{rejection}"
    );
    node.assert_no_violations();
}

async fn a_device_reaches_its_container_through_cdi(kind: Kind) {
    let node = PoolNode::with(kind, 1, 1, |_| {}).await;
    node.test_node.change(&format!("unplug {}", id(0)));
    node.test_node.change(&format!(
        "vf {} 8086:154c pf=0000:01:00.0 id=0 driver=vfio-pci group=7",
        id(0)
    ));
    let _daemon = node.test_node.daemon_with(&["--use-cdi"]);
    node.registered().await;
    let pod = node.pod("pod", 1).await;
    let answer = &pod.devices[0].answer;
    assert!(answer.devices.is_empty(), "not both ways at once");
    let [device] = &answer.cdi_devices[..] else {
        panic!("one device has one name: {:?}", answer.cdi_devices);
    };
    // What a container runtime does with the name.
    let (class, name) = device.name.split_once('=').unwrap();
    let directory = std::fs::read_dir(node.test_node.root().join("var/run/cdi")).unwrap();
    let files = directory.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let mut specs = files.map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap());
    let spec = specs.find(|spec| spec["kind"] == class).unwrap();
    let mut devices = spec["devices"].as_array().unwrap().iter();
    let device = devices.find(|device| device["name"] == name).unwrap();
    let nodes = &device["containerEdits"]["deviceNodes"];
    let paths: Vec<_> = nodes
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["path"])
        .collect();
    assert_eq!(paths, ["/dev/vfio/vfio", "/dev/vfio/7"]);
}

async fn a_restarted_container_keeps_its_device(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let _daemon = node.registered_daemon().await;
    let before = node.pod("one", 1).await;
    assert_eq!(node.restart_containers("one").unwrap(), before);
    let second = node.pod("two", 1).await;
    assert_ne!(second.ids(), before.ids());
}

async fn init_containers_leave_their_devices_to_the_others(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let _daemon = node.registered_daemon().await;
    let pod = PodSpec::new("pod")
        .init_container("init", 1, POOL)
        .container("app", 2, POOL);
    let pod = node.run_pod(pod).await;
    assert_eq!(pod.phase, Phase::Running);
    let left = &pod.container("init").unwrap().ids;
    let app = pod.container("app").unwrap();
    assert_eq!(app.ids.len(), 2);
    assert!(app.ids.contains(&left[0]), "it was asked for a second time");
    // Restartable init containers keep theirs, so this one needs more devices than there are.
    node.delete_pod("pod").unwrap();
    let pod = PodSpec::new("pod")
        .sidecar("beside", 1, POOL)
        .container("app", 2, POOL);
    let pod = node.run_pod(pod).await;
    assert!(
        pod.rejection()
            .unwrap()
            .contains("Requested: 2, Available: 1")
    );
    node.assert_no_violations();
}

/// A kubelet believes in a device for a moment longer than the plugin does, and some believe in those of another life.
async fn an_unknown_device_is_refused_by_name(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let _daemon = node.registered_daemon().await;
    let status = node.allocate(POOL, &[&id(0), "0000:ff:1f.7"]).await;
    let status = status.unwrap_err();
    let expected = "the resource `intel.com/pool0` has no device `0000:ff:1f.7`";
    assert!(status.message().contains(expected), "{status}");
    assert!(node.allocate(POOL, &[&id(0)]).await.is_ok());
}
