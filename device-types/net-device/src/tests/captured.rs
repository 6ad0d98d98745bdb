//! A node that was captured from a running kernel: four igb adapters, VFs on several drivers, two vDPA devices.

use serde_json::json;

use super::{allocate, ids, scan};

const IGB_GUEST: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/nodes/igb-guest.tree"
));

#[test]
fn its_network_functions_are_offered() {
    let (_node, provider) = scan(IGB_GUEST);
    let vfs = [
        "0000:41:10.0",
        "0000:41:10.2",
        "0000:41:10.4",
        "0000:41:10.6",
        "0000:81:10.0",
        "0000:81:10.2",
    ];
    let others = ["0000:00:0a.0", "0000:01:00.0", "0000:82:00.0"];
    assert_eq!(ids(&provider), [&others[..2], &vfs, &others[2..]].concat());
    let excluded = provider.excluded().into_iter();
    let excluded: Vec<String> = excluded.map(|excluded| excluded.device).collect();
    assert_eq!(excluded, ["0000:02:00.0", "0000:41:00.0", "0000:81:00.0"]);
}

#[test]
fn its_devices_are_selected() {
    let (_node, provider) = scan(IGB_GUEST);
    for (selectors, expected) in [
        (
            json!({"pfNames": ["eth2#0-1"]}),
            vec!["0000:41:10.0", "0000:41:10.2"],
        ),
        (
            json!({"rootDevices": ["0000:41:00.0#3", "0000:81:00.0#1"]}),
            vec!["0000:41:10.6", "0000:81:10.2"],
        ),
        (json!({"drivers": ["vfio-pci"]}), vec!["0000:41:10.2"]),
        (json!({"vdpaType": "vhost"}), vec!["0000:82:00.0"]),
        (json!({"vdpaType": "virtio"}), vec!["0000:00:0a.0"]),
        (
            json!({"linkTypes": ["ether"], "drivers": ["vfio-pci", "uio_pci_generic"]}),
            vec!["0000:41:10.2", "0000:41:10.4"],
        ),
        (json!({"rootDevices": ["0000:02:00.0"]}), vec![]),
    ] {
        assert_eq!(provider.select(selectors.clone()), expected, "{selectors}");
    }
}

#[test]
fn its_devices_are_allocated() {
    let (_node, provider) = scan(IGB_GUEST);
    let nodes = |selectors, id| allocate(&provider, selectors, id)["nodes"].clone();
    let same = |paths: &[&str]| {
        paths
            .iter()
            .map(|path| json!([path, path]))
            .collect::<serde_json::Value>()
    };
    assert_eq!(
        nodes(json!({}), "0000:41:10.2"),
        same(&["/dev/vfio/vfio", "/dev/vfio/19", "/dev/vfio/devices/vfio0"])
    );
    assert_eq!(nodes(json!({}), "0000:41:10.4"), same(&["/dev/uio0"]));
    assert_eq!(
        nodes(json!({"vdpaType": "vhost"}), "0000:82:00.0"),
        same(&["/dev/vhost-vdpa-0"])
    );
    let info =
        &allocate(&provider, json!({"vdpaType": "vhost"}), "0000:82:00.0")["device_info"]["vdpa"];
    assert_eq!(info["parent-device"], "vdpa:0000:82:00.0");
}
