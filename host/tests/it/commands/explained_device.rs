//! `sriovdp explain` of devices by each of their names, and why pools are empty or unhealthy.

use serde_json::Value;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const NODE: &str = "
pci 0000:00:00.0 8086:29c0 class=060000
pf 0000:18:00.0 8086:1572 driver=i40e net=ens1f0
vf 0000:18:02.{0-3} 8086:154c pf=0000:18:00.0 id={0-3} driver=iavf net=ens1f0v{0-3}
file @0000:18:00.0/net/ens1f0/carrier 1
pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
sf mlx5_core.sf.4 on=0000:08:00.0 num=88 net=enp8s0f0s88 driver=mlx5_core.sf
";

fn node(config: &str) -> TestNode {
    TestNode::with_config(NODE, RegistrationMode::Watcher, config)
}

#[tokio::test]
async fn a_device_by_each_of_its_names() {
    let node =
        node(r#"{"resourceList": [{"resourceName": "a", "selectors": {"drivers": ["iavf"]}}]}"#);
    for (name, device) in [
        ("0000:18:02.1", "0000:18:02.1 (netDevice)"),
        ("18:02.1", "0000:18:02.1 (netDevice)"),
        ("ens1f0v1", "0000:18:02.1 (netDevice)"),
        ("ens1f0", "0000:18:00.0 (netDevice)"),
        ("mlx5_core.sf.4", "mlx5_core.sf.4 (auxNetDevice)"),
        ("enp8s0f0s88", "mlx5_core.sf.4 (auxNetDevice)"),
    ] {
        for arguments in [vec!["explain", name], vec!["explain", "--device", name]] {
            let (code, output, errors) = node.run(&arguments).await;
            assert_eq!(code, Some(0), "{arguments:?}: {errors}");
            assert_eq!(output.lines().next(), Some(device), "{arguments:?}");
            let devices = output.lines().filter(|line| !line.starts_with(' '));
            assert_eq!(devices.count(), 1, "{output}");
        }
    }
    let (code, _, _) = node.run(&["explain", "ens1f0", "--device", "ens1f0"]).await;
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn explain_names_functions_that_are_no_devices() {
    let node = node(r#"{"resourceList": [{"resourceName": "a"}]}"#);
    for (name, reported) in [
        ("0000:00:00.0", "class 060000 (8086:29c0)"),
        ("0000:ff:00.0", "no PCI function 0000:ff:00.0"),
        ("eth9", "no network interface of that name"),
        ("../../bus", "no network interface of that name"),
    ] {
        let (code, output, errors) = node.run(&["explain", name]).await;
        assert_eq!((code, output.as_str()), (Some(1), ""), "{name}");
        assert!(
            errors.starts_with("error: ") && errors.contains(reported),
            "{name}: {errors}"
        );
    }
}

#[tokio::test]
async fn a_node_without_a_pci_bus() {
    let node = TestNode::with_config(
        "",
        RegistrationMode::Watcher,
        r#"{"resourceList": [{"resourceName": "a"}]}"#,
    );
    let (_, output, _) = node.run(&["explain"]).await;
    assert_eq!(
        output,
        "the providers have discovered no device on this node\n"
    );
    let sys = node.root().join("sys");
    if sys.exists() {
        std::fs::remove_dir_all(sys).unwrap();
    }
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(0));
    assert!(
        output.contains("`/sys/bus/pci/devices` does not exist: is `/sys` mounted"),
        "{output}"
    );
}

#[tokio::test]
async fn explain_reports_a_device_type_without_resources() {
    let node = node(r#"{"resourceList": [{"resourceName": "a"}]}"#);
    let (code, output, _) = node.run(&["explain", "mlx5_core.sf.4"]).await;
    assert_eq!(code, Some(0));
    assert!(
        output.contains("no resource has the device type `auxNetDevice`"),
        "{output}"
    );
    // One resource is about the devices of its type.
    let (_, output, _) = node.run(&["explain", "--resource", "intel.com/a"]).await;
    assert!(!output.contains("auxNetDevice"), "{output}");
}

#[tokio::test]
async fn empty_pool_reports_its_mismatches() {
    let config = r#"{"resourceList": [
        {"resourceName": "one", "selectors": {"drivers": ["vfio-pci"], "devices": ["154c"]}},
        {"resourceName": "two", "selectors": [{"drivers": ["vfio-pci"]}, {"pfNames": ["ens1f0#7"]}]},
        {"resourceName": "first", "selectors": {"devices": ["154c"]}},
        {"resourceName": "late", "selectors": {"devices": ["154c"]}},
        {"resourceName": "accel", "deviceType": "accelerator"},
        {"resourceName": "sf", "deviceType": "auxNetDevice", "selectors": {"auxTypes": ["sf"], "pfNames": ["p9"]}}
    ]}"#;
    let node = node(config);
    let expected = [
        (
            "one",
            "of 5 devices most often refused by `drivers` (5), `devices` (1), such as 0000:18:02.0: it has iavf, not one of vfio-pci;",
        ),
        (
            "two",
            "of 5 devices most often refused by `selectors[0].drivers` (5), `selectors[1].pfNames` (5)",
        ),
        ("late", "`devices` (1); 4 in other pools"),
        (
            "accel",
            "the node has no device of the device type `accelerator`",
        ),
        ("sf", "of 1 device most often refused by `pfNames` (1)"),
    ];
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(0), "{output}");
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for("intel.com/first", |view| view.allocatable() == 4)
        .await
        .unwrap();
    for (resource, why) in expected {
        let pool = format!("intel.com/{resource}: 0 devices, 0 healthy\n    ");
        let reported = output
            .split_once(&pool)
            .map(|(_, rest)| rest.lines().next());
        let reported = reported
            .flatten()
            .unwrap_or_else(|| panic!("{resource}:\n{output}"));
        assert!(reported.contains(why), "{resource}: {reported}");
        let record = daemon
            .logs("pool_empty")
            .with("resource", format!("intel.com/{resource}"))
            .with("reason", reported.trim());
        assert_eq!(record.now().len(), 1, "{reported}\n{}", daemon.log());
    }
    let command = "sriovdp explain --resource intel.com/one";
    assert!(output.contains(command), "{output}");
    assert!(
        output.contains("intel.com/first: 4 devices, 4 healthy\n"),
        "{output}"
    );
}

#[tokio::test]
async fn list_shows_unhealthy_devices_with_reason() {
    let node = node(
        r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["ens1f0#0-1"]}}]}"#,
    );
    node.change("file @0000:18:00.0/net/ens1f0/carrier 0");
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(0));
    assert!(
        output.contains(
            "intel.com/a: 2 devices, 0 healthy\n    unhealthy: 0000:18:02.0, 0000:18:02.1: "
        ),
        "{output}"
    );
}

/// A device in a pod fits no other resource, with any selectors.
#[tokio::test]
async fn pod_device_of_another_resource_is_retained() {
    let node = TestNode::with_config(
        CAPTURED,
        RegistrationMode::Register,
        r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#,
    );
    let checkpoint = r#"{"Data": {"PodDeviceEntries": [{"PodUID": "1", "ContainerName": "c",
        "ResourceName": "intel.com/old", "DeviceIDs": {"0": ["0000:41:10.0"]}, "AllocResp": ""}],
        "RegisteredDevices": {}}, "Checksum": 1}"#;
    let path = "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";
    std::fs::write(node.root().join(path), checkpoint).unwrap();
    let (code, output, errors) = node.run(&["explain", "-o", "json", "0000:41:10.0"]).await;
    assert_eq!(code, Some(0), "{errors}");
    let reported: Value = serde_json::from_str(&output).unwrap();
    let result = &reported["items"][0]["resources"][0];
    assert_eq!(result["resource"], "intel.com/a");
    assert_eq!(
        (&result["result"], &result["inUseAs"]),
        (&"inUse".into(), &"intel.com/old".into())
    );
}

#[tokio::test]
async fn explain_names_the_parts_of_a_divided_function() {
    let vdpa = "
        pci 0000:65:00.2 15b3:101e driver=mlx5_core
        vdpa vdpa{0-1} on=0000:65:00.2 driver=vhost_vdpa dev=vhost-vdpa-{0-1}
    ";
    let config = r#"{"resourceList": [
        {"resourceName": "vdpa", "selectors": {"vdpaType": "vhost"}}, {"resourceName": "rest"}
    ]}"#;
    let node = TestNode::with_config(vdpa, RegistrationMode::Watcher, config);
    for (device, expected) in [
        (
            "0000:65:00.2",
            "intel.com/rest: matches, but `intel.com/vdpa` has `vdpa0`, a part of it",
        ),
        (
            "0000:65:00.2",
            "`vdpaType`: its vDPA devices are devices of their own: vdpa0, vdpa1",
        ),
        (
            "vdpa1",
            "`vdpaType`: it is a vDPA device of 0000:65:00.2, and without `vdpaType` a resource gets the function",
        ),
        ("vdpa1", "intel.com/vdpa: assigned"),
    ] {
        let (code, output, errors) = node.run(&["explain", "--device", device]).await;
        assert_eq!(code, Some(0), "{errors}");
        assert!(output.contains(expected), "{device}: {output}");
    }
}
