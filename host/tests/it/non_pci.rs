//! Devices that are no PCI functions, and devices that share one.

use serde_json::{Value, json};

use crate::test_node::{RegistrationMode, TestNode};

fn provider(device_type: &str, devices: &Value) -> Vec<(&'static str, Value)> {
    let manifest = json!({
        "package": device_type, "version": "1", "sdk": "1.0.0", "summary": "s",
        "device_type": device_type, "schema": {}, "subsystems": ["dsa"],
    });
    let all: Vec<usize> = (0..devices.as_array().unwrap().len()).collect();
    vec![
        ("manifest", manifest),
        ("discover", json!({ "devices": devices })),
        ("select", json!({ "admitted": all })),
        (
            "allocate",
            json!({"devices": [{"nodes": [["/dev/dsa/wq0.0", "/dev/dsa/wq0.0"]], "device_info": {"type": "dsa"}}]}),
        ),
    ]
}

fn queues() -> Value {
    let parent = "/sys/devices/platform/dsa0";
    json!([
        {"id": "wq0.0", "numa": 1, "numas": [3], "parent": parent, "attrs": {"mode": {"string": "dedicated"}, "size": {"int": 16}}},
        {"id": "wq0.1", "parent": parent, "findings": [{"cause": "other", "reason": "it is not enabled"}], "unhealthy": "it is not enabled"},
    ])
}

#[tokio::test]
async fn a_device_without_a_pci_function_is_served() {
    let config = r#"{"resourceList": [{"resourceName": "wq", "deviceType": "dsa", "additionalInfo": {"*": {"a": "b"}}}]}"#;
    let node = TestNode::without_providers("", RegistrationMode::Watcher);
    node.configure(config);
    node.provide_scripted("dsa", &provider("dsa", &queues()));
    let (code, output, _) = node.run(&["list", "-o", "json"]).await;
    let listed: Value = serde_json::from_str(&output).unwrap();
    let device = &listed["items"][0]["devices"][0];
    assert_eq!(code, Some(0));
    assert_eq!(
        (&device["id"], &device["function"]),
        (&json!("wq0.0"), &Value::Null)
    );
    let attributes = json!({
        "mode": {"string": "dedicated"}, "size": {"int": 16}, "numaNode": {"int": 1},
    });
    assert_eq!(device["attributes"], attributes);
    let (_, output, _) = node.run(&["explain", "wq0.0"]).await;
    assert!(
        output.contains("attributes: mode=dedicated, numaNode=1, size=16"),
        "{output}"
    );

    let kubelet = node.kubelet().await;
    let _daemon = node.daemon_with(&["--use-cdi"]);
    let view = kubelet.wait_for("intel.com/wq", |view| view.allocatable() == 1);
    let view = view.await.unwrap();
    assert_eq!(view.capacity(), 2);
    assert_eq!(view.devices[0].numa, [1, 3]);
    let container = kubelet.allocate("intel.com/wq", &["wq0.0"]).await.unwrap();
    assert_eq!(container.cdi_devices[0].name, "intel.com/dsa=wq0.0");
    let info = &container.envs["PCIDEVICE_INTEL_COM_WQ_INFO"];
    assert_eq!(
        info,
        r#"{"wq0.0":{"extra":{"a":"b"},"generic":{"deviceID":"wq0.0"}}}"#
    );
    let file = "var/run/k8s.cni.cncf.io/devinfo/dp/intel.com-wq-wq0.0-device.json";
    assert!(node.root().join(file).exists());
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn a_whole_device_and_its_parts_are_not_in_two_pools() {
    let function = "0000:17:00.0";
    let shares = json!([
        {"id": "0000:17:00.0-0", "a": function}, {"id": "0000:17:00.0-1", "a": function},
    ]);
    let serve = async |first: &str, second: &str| {
        let entry = |name: &str| json!({"resourceName": name, "deviceType": name});
        let list = ["whole", "share", "piece"].map(entry);
        let mut list: Vec<&Value> = list
            .iter()
            .filter(|e| e["resourceName"] == first)
            .chain(list.iter().filter(|e| e["resourceName"] == second))
            .collect();
        list.dedup();
        let node = TestNode::without_providers("", RegistrationMode::Watcher);
        node.configure(&json!({"resourceList": list}).to_string());
        node.provide_scripted("whole", &provider("whole", &json!([{"id": function}])));
        node.provide_scripted("share", &provider("share", &shares));
        let pieces = json!([{"id": "piece-0", "a": function}]);
        node.provide_scripted("piece", &provider("piece", &pieces));
        let (_, check, _) = node.run(&["check"]).await;
        let (_, explained, _) = node.run(&["explain"]).await;
        format!("{check}\n{explained}")
    };
    let output = serve("whole", "share").await;
    let expected = "it is a part of `0000:17:00.0`, and `intel.com/whole` has `0000:17:00.0`";
    assert!(
        output.contains(&format!(
            "`intel.com/share` is without `0000:17:00.0-1`: {expected}"
        )),
        "{output}"
    );
    assert!(
        output.contains(&format!("intel.com/share: matches, but {expected}")),
        "{output}"
    );
    let output = serve("share", "whole").await;
    let expected = "`intel.com/whole` is without `0000:17:00.0`: `intel.com/share` has `0000:17:00.0-0`, a part of it";
    assert!(
        output.contains("intel.com/share: 2 devices") && output.contains(expected),
        "{output}"
    );
    let output = serve("share", "piece").await;
    assert!(
        output.contains("`intel.com/piece` is without `piece-0`"),
        "{output}"
    );
}
