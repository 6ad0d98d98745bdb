//! The provider on a node made of text.

use sriovdp_sdk_testing::{Harness, conformance, json};

use crate::ProviderName;

/// Two devices; put some of your own here, with everything that the provider reads.
const NODE: &str = "
    pci 0000:17:00.0 1234:0001 class=020000
    pci 0000:18:00.0 1234:0001 class=020000
    file @0000:18:00.0/label Uplink
";

conformance!(ProviderName, NODE);

#[test]
fn selectors_select() {
    let provider = Harness::extending_functions(ProviderName, "extendedType", NODE);
    assert_eq!(
        provider.select(json!({"labels": ["uplink"]})),
        ["0000:18:00.0"]
    );
    assert_eq!(
        provider
            .mismatch(json!({"labels": ["uplink"]}), "0000:17:00.0")
            .unwrap(),
        "labels: it has none, and the selector has uplink"
    );
}
