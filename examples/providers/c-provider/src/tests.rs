//! The C part, and the provider on a node made of text.

use sriovdp_sdk::{Finding, FindingKind};
use sriovdp_sdk_testing::{conformance, json, Harness};

use crate::core::{parse_report, problem, Card};
use crate::OrbitDsp;

const NODE: &str = "
    pci 0000:17:00.{0-1} f00d:0001 class=120000 driver=orbit
    pci 0000:18:00.0 f00d:0001 class=120000
    pci 0000:19:00.0 f00d:0001 class=020000
    file @0000:17:00.0/orbit/report orbit3 cores=16 temp=60
    file @0000:17:00.1/orbit/report orbit4 cores=8 temp=99
    dev /dev/orbit{3-4}
";

conformance!(OrbitDsp, NODE);

#[test]
fn reports_are_read_by_c() {
    let card = Card {
        number: 3,
        cores: 16,
        temperature: -5,
    };
    assert_eq!(parse_report("orbit3 cores=16 temp=-5"), Some(card));
    assert_eq!(problem(&card), None);
    let long = "orbit1 cores=1 temp=1".repeat(10);
    for text in [
        "",
        "orbit",
        "orbit3 cores=16 temp=60x",
        "orbit3\0 cores=1 temp=1",
        &long,
    ] {
        assert_eq!(parse_report(text), None, "{text:?}");
    }
}

#[test]
fn a_card_is_found_selected_and_handed_out() {
    let orbit = Harness::on(OrbitDsp, NODE);
    let ids = orbit.select(json!({}));
    assert_eq!(ids, ["0000:17:00.0", "0000:17:00.1"]);
    assert_eq!(orbit.select(json!({"minCores": 10})), ids[..1]);
    assert_eq!(
        orbit.why_not(json!({"minCores": 10}), &ids[1]).unwrap(),
        "minCores: it has 8 working cores, fewer than 10"
    );
    let hot = Finding::new(FindingKind::Other, "the card is too hot");
    assert_eq!(orbit.findings(&ids[1]), [hot]);
    let allocated = orbit.allocate(json!({}), &[&ids[0]]).unwrap();
    assert_eq!(allocated[0].nodes[0].host_path, "/dev/orbit3");
    assert_eq!(allocated[0].info["orbit"]["cores"], "16");
}
