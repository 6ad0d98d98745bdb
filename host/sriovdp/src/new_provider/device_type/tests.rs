//! The provider on a node made of text.

use sriovdp_sdk_testing::{Harness, conformance, json};

use crate::ProviderName;

/// Three functions; put some of your own here, with everything that the provider reads.
const NODE: &str = "
    pci 0000:17:00.0 1234:0001 class=120000 driver=vfio-pci group=12
    pci 0000:18:00.0 1234:0002 class=120000 driver=other
    pci 0000:19:00.0 1234:0002 class=120000
";

conformance!(ProviderName, NODE);

#[test]
fn selectors_select() {
    let provider = Harness::on(ProviderName, NODE);
    assert_eq!(
        provider.select(json!({"devices": ["0002"]})),
        ["0000:18:00.0"]
    );
    assert_eq!(
        provider
            .mismatch(json!({"drivers": ["vfio-pci"]}), "0000:18:00.0")
            .unwrap(),
        "drivers: it has other, not one of vfio-pci"
    );
}

#[test]
fn a_container_gets_its_device_or_nothing() {
    let provider = Harness::on(ProviderName, NODE);
    let allocated = provider.allocate(json!({}), &["0000:17:00.0"]).unwrap();
    assert_eq!(allocated[0].nodes[1].host_path, "/dev/vfio/12");
    provider.change("nodev /dev/vfio/12");
    provider.allocate(json!({}), &["0000:17:00.0"]).unwrap_err();
}
