//! `vdpaType`: which functions it selects, and what a container gets of a vDPA device.

use serde_json::{Value, json};

use super::{allocate, refused, scan};

const CARD: &str = "
    pf 0000:65:00.0 15b3:101d driver=mlx5_core net=ens3f0
    vf 0000:65:00.{2-5} 15b3:101e pf=0000:65:00.0 id={0-3} driver=mlx5_core net=ens3f0v{0-3}
    vdpa vdpa0 on=0000:65:00.2 driver=vhost_vdpa dev=vhost-vdpa-0
    vdpa vdpa1 on=0000:65:00.3 driver=virtio_vdpa virtio=5 net=eth9
    vdpa vdpa2 on=0000:65:00.4
";

fn vhost() -> Value {
    json!({"vdpaType": "vhost"})
}

#[test]
fn the_driver_of_the_vdpa_bus_is_the_type() {
    let (_node, provider) = scan(CARD);
    assert_eq!(provider.select(vhost()), ["0000:65:00.2"]);
    assert_eq!(
        provider.select(json!({"vdpaType": "virtio"})),
        ["0000:65:00.3"]
    );
    assert_eq!(provider.select(json!({"pfNames": ["ens3f0"]})).len(), 4);
}

#[test]
fn a_container_gets_the_character_device_of_vhost() {
    let (_node, provider) = scan(CARD);
    let expected = json!({
        "nodes": [["/dev/vhost-vdpa-0", "/dev/vhost-vdpa-0"]],
        "info": {"vdpa": {"mount": "/dev/vhost-vdpa-0"}},
        "device_info": {"type": "vdpa", "vdpa": {
            "parent-device": "vdpa0",
            "driver": "vhost",
            "path": "/dev/vhost-vdpa-0",
            "pci-address": "0000:65:00.2",
        }},
    });
    assert_eq!(allocate(&provider, vhost(), "0000:65:00.2"), expected);
}

#[test]
fn a_container_gets_no_node_of_virtio() {
    let (_node, provider) = scan(CARD);
    let expected = json!({
        "info": {"vdpa": {}},
        "device_info": {"type": "vdpa", "vdpa": {
            "parent-device": "vdpa1",
            "driver": "virtio",
            "pci-address": "0000:65:00.3",
        }},
    });
    assert_eq!(
        allocate(&provider, json!({"vdpaType": "virtio"}), "0000:65:00.3"),
        expected
    );
}

#[test]
fn who_does_not_ask_gets_the_pci_function() {
    let (_node, provider) = scan(CARD);
    let expected = json!({"device_info": {"type": "pci", "pci": {"pci-address": "0000:65:00.2"}}});
    assert_eq!(allocate(&provider, json!({}), "0000:65:00.2"), expected);
}

const SEVERAL: &str = "
    pci 0000:65:00.2 15b3:101e driver=mlx5_core numa=1
    vdpa vdpa1 on=0000:65:00.2 driver=virtio_vdpa
    vdpa vdpa0 on=0000:65:00.2 driver=vhost_vdpa dev=vhost-vdpa-7
    vdpa vdpa2 on=0000:65:00.2 driver=vhost_vdpa dev=vhost-vdpa-8
";

#[test]
fn several_of_one_function_are_devices_of_their_own() {
    let (node, provider) = scan(SEVERAL);
    let whole = "0000:65:00.2";
    assert_eq!(provider.select(vhost()), ["vdpa0", "vdpa2"]);
    assert_eq!(provider.select(json!({"vdpaType": "virtio"})), ["vdpa1"]);
    assert_eq!(provider.select(json!({"vendors": ["15b3"]})), [whole]);
    let expected = json!({
        "nodes": [["/dev/vhost-vdpa-8", "/dev/vhost-vdpa-8"]],
        "info": {"vdpa": {"mount": "/dev/vhost-vdpa-8"}},
        "device_info": {"type": "vdpa", "vdpa": {
            "parent-device": "vdpa2",
            "driver": "vhost",
            "path": "/dev/vhost-vdpa-8",
            "pci-address": whole,
        }},
    });
    assert_eq!(allocate(&provider, vhost(), "vdpa2"), expected);
    assert_eq!(
        provider.why_not(vhost(), whole).unwrap(),
        "vdpaType: its vDPA devices are devices of their own: vdpa0, vdpa1, vdpa2"
    );
    assert_eq!(
        provider.why_not(json!({}), "vdpa0").unwrap(),
        "vdpaType: it is a vDPA device of 0000:65:00.2, and without `vdpaType` a resource gets the function"
    );
    // Another function has the name by now.
    node.apply("unplug vdpa2\npci 0000:66:00.2 15b3:101e driver=mlx5_core\nvdpa vdpa2 on=0000:66:00.2 driver=vhost_vdpa");
    assert_eq!(
        refused(&provider, vhost(), "vdpa2"),
        "`0000:65:00.2` has no vDPA device `vdpa2` any more"
    );
}

#[test]
fn each_of_several_has_a_health_of_its_own() {
    let (node, mut provider) = scan(SEVERAL);
    node.apply("nodev /dev/vhost-vdpa-7");
    provider.rescan().unwrap();
    let unhealthy: Vec<String> = ["vdpa0", "vdpa2"]
        .into_iter()
        .filter(|id| !provider.findings_for(vhost(), id).is_empty())
        .map(str::to_owned)
        .collect();
    assert_eq!(unhealthy, ["vdpa0"]);
    assert_eq!(provider.findings_for(json!({}), "0000:65:00.2"), []);
}

/// A pod may have the last one, by its name.
#[test]
fn a_divided_function_stays_divided_until_it_has_no_vdpa_device() {
    let (node, mut provider) = scan(SEVERAL);
    node.apply("unplug vdpa0\nunplug vdpa1");
    provider.rescan_only(&["0000:65:00.2"]).unwrap();
    assert_eq!(provider.select(vhost()), ["vdpa2"]);
    node.apply("unplug vdpa2");
    provider.rescan().unwrap();
    node.apply("vdpa vdpa2 on=0000:65:00.2 driver=vhost_vdpa dev=vhost-vdpa-8");
    provider.rescan().unwrap();
    assert_eq!(provider.select(vhost()), ["0000:65:00.2"]);
}

#[test]
fn a_name_that_is_an_address_is_left_out() {
    let (_node, provider) = scan(
        "pci 0000:65:00.{2-3} 15b3:101e driver=mlx5_core
         vdpa vdpa0 on=0000:65:00.2 driver=vhost_vdpa
         vdpa 0000:65:00.3 on=0000:65:00.2 driver=vhost_vdpa",
    );
    assert_eq!(provider.select(vhost()), ["vdpa0"]);
    let excluded = provider.excluded();
    assert_eq!(
        excluded[0].reason,
        "the name of this vDPA device is a PCI address"
    );
}

#[test]
fn what_is_missing_is_named() {
    let of = |change: &str| {
        let (node, provider) = scan(CARD);
        node.apply(change);
        refused(&provider, vhost(), "0000:65:00.2")
    };
    assert_eq!(
        of("nodev /dev/vhost-vdpa-0"),
        "cannot hand out the vDPA device `vdpa0`: the device node `/dev/vhost-vdpa-0` does not exist on this node"
    );
    assert_eq!(
        of("rm @vdpa0/vhost-vdpa-0"),
        "the vDPA device `vdpa0` has no entry `vhost-vdpa-N`"
    );
    assert_eq!(
        of("link @vdpa0/driver ../../../../bus/vdpa/drivers/virtio_vdpa"),
        "the vDPA device `vdpa0` of `0000:65:00.2` is not bound to `vhost_vdpa` any more"
    );
    assert_eq!(
        of("unplug vdpa0"),
        "`0000:65:00.2` has no vDPA device any more"
    );
    // The others go on.
    let (node, provider) = scan(&format!(
        "{CARD}\nvdpa vdpa3 on=0000:65:00.5 driver=vhost_vdpa dev=vhost-vdpa-3"
    ));
    node.apply("nodev /dev/vhost-vdpa-0");
    assert!(refused(&provider, vhost(), "0000:65:00.2").contains("vhost-vdpa-0"));
    assert_eq!(
        allocate(&provider, vhost(), "0000:65:00.5")["nodes"][0][0],
        "/dev/vhost-vdpa-3"
    );
}

#[test]
fn a_bus_that_cannot_be_read_now_changes_nothing() {
    let (node, mut provider) = scan(CARD);
    let bus = node.path().join("sys/bus/vdpa/devices");
    std::fs::rename(&bus, bus.with_file_name("away")).unwrap();
    std::fs::write(&bus, "").unwrap();
    let error = provider.rescan().unwrap_err();
    assert_eq!(error.to_string(), "cannot list `/sys/bus/vdpa/devices`");
    assert_eq!(provider.select(vhost()), ["0000:65:00.2"]);
}
