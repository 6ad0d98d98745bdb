//! `vdpaType`: which functions it selects, and what a container gets of a vDPA device.

use serde_json::{Value, json};

use crate::{allocate, refused, scan};

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

#[test]
fn the_first_of_two_counts() {
    let (_node, provider) = scan(
        "pci 0000:65:00.2 15b3:101e driver=mlx5_core
         vdpa vdpa1 on=0000:65:00.2 driver=virtio_vdpa
         vdpa vdpa0 on=0000:65:00.2 driver=vhost_vdpa dev=vhost-vdpa-7",
    );
    assert_eq!(provider.select(vhost()), ["0000:65:00.2"]);
    assert_eq!(provider.select(json!({"vdpaType": "virtio"})), [""; 0]);
    let allocated = allocate(&provider, vhost(), "0000:65:00.2");
    assert_eq!(allocated["device_info"]["vdpa"]["parent-device"], "vdpa0");
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
