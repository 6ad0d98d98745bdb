//! The provider on a node made of text.

use sriovdp_sdk::{Finding, FindingKind, Mount};
use sriovdp_sdk_testing::{conformance, json, Harness};

use crate::NimbusCrypto;

/// A card with two virtual functions, an old card, and one whose driver has not finished.
const NODE: &str = "
    pf 0000:3d:00.0 beef:0100 class=120000 driver=nimbus numa=1
    vf 0000:3d:00.{1-2} beef:0101 pf=0000:3d:00.0 id={0-1} class=120000 driver=nimbus
    pci 0000:5e:00.0 beef:0100 class=120000 driver=nimbus
    pci 0000:5f:00.0 beef:0100 class=120000
    @0000:3d:00.{0-2}/nimbus/nimbus{0-2}/firmware = 2.10
    @0000:3d:00.{0-2}/nimbus/nimbus{0-2}/algorithms = aes-gcm sm4
    @0000:3d:00.{0-2}/nimbus/nimbus{0-2}/state = ready
    @0000:5e:00.0/nimbus/nimbus7/
      firmware = 2.9
      algorithms = aes-gcm
      state = ready
    dev /dev/nimbus{0-2}
    dev /dev/nimbus7
    dev /dev/nimbus_ctl
";

conformance!(NimbusCrypto, NODE);

#[test]
fn cards_that_are_announced_are_found() {
    let nimbus = Harness::on(NimbusCrypto, NODE);
    let devices = nimbus.devices();
    let ids: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "0000:3d:00.0",
            "0000:3d:00.1",
            "0000:3d:00.2",
            "0000:5e:00.0"
        ]
    );
    let excluded = &nimbus.excluded()[0];
    assert_eq!(excluded.device, "0000:5f:00.0");
    let reason = excluded.reason.as_str();
    assert!(reason.contains("no driver has announced"), "{reason}");
}

#[test]
fn selectors_select() {
    let nimbus = Harness::on(NimbusCrypto, NODE);
    for (selectors, expected) in [
        (
            json!({"devices": ["0101"]}),
            vec!["0000:3d:00.1", "0000:3d:00.2"],
        ),
        (
            json!({"algorithms": ["AES-GCM", "sm4"], "devices": ["0100"]}),
            vec!["0000:3d:00.0"],
        ),
        (
            json!({"firmwareAtLeast": "2.10", "devices": ["0100"]}),
            vec!["0000:3d:00.0"],
        ),
    ] {
        assert_eq!(nimbus.select(selectors.clone()), expected, "{selectors}");
    }
    assert_eq!(
        nimbus
            .why_not(json!({"firmwareAtLeast": "2.10"}), "0000:5e:00.0")
            .unwrap(),
        "firmwareAtLeast: its firmware is 2.9, older than 2.10"
    );
    let error = nimbus.check(json!({"firmwareAtLeast": "new"})).unwrap_err();
    assert_eq!(error.to_string(), "`new` is no firmware version");
}

#[test]
fn containers_get_nodes_facts_and_the_library() {
    let nimbus = Harness::on(NimbusCrypto, NODE);
    let allocated = nimbus
        .allocate(json!({"needLibrary": true}), &["0000:3d:00.2"])
        .unwrap();
    let allocation = &allocated[0];
    assert_eq!(allocation.nodes[0].host_path, "/dev/nimbus2");
    assert_eq!(allocation.companions[0].host_path, "/dev/nimbus_ctl");
    let library = Mount::read_only("/usr/lib/nimbus", "/usr/lib/nimbus");
    assert_eq!(allocation.mounts, [library]);
    assert_eq!(allocation.info["nimbus"]["node"], "/dev/nimbus2");
    assert_eq!(allocation.info["nimbus"]["firmware"], "2.10");
    nimbus.change("nodev /dev/nimbus2");
    let error = nimbus.allocate(json!({}), &["0000:3d:00.2"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the device node `/dev/nimbus2` does not exist on this node"
    );
}

#[test]
fn a_card_that_is_not_ready_is_unhealthy() {
    let mut nimbus = Harness::on(NimbusCrypto, NODE);
    assert_eq!(nimbus.findings("0000:5e:00.0"), []);
    nimbus.change("file @0000:5e:00.0/nimbus/nimbus7/state updating");
    nimbus.rescan().unwrap();
    let finding = Finding::new(FindingKind::Other, "the card reports the state `updating`");
    assert_eq!(nimbus.findings("0000:5e:00.0"), [finding]);
}
