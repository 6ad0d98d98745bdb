//! The suite finds each of its faults, and none in a provider that has none.

mod cards;

use std::time::Duration;

use cards::*;

use super::{Rule, TIMEOUT, Violation, outcome, rules};

const NODE: &str = "
    pci 0000:17:00.{0-2} ac3e:000{0-2} class=120000 driver=acme
    file @0000:17:00.{0-2}/acme/acme{0-2}/dev 240:{0-2}
    file @0000:17:00.{0-2}/load 17
    dev /dev/acme{0-2}
";

#[track_caller]
fn breaks(rule: Rule, expected: &str) {
    let violation: Violation = outcome(rule, NODE, TIMEOUT).expect_err("a violation");
    assert!(violation.to_string().contains(expected), "{violation}");
}

#[test]
fn a_provider_without_a_fault_passes() {
    let all: [Rule; 12] = [
        rules::declared::<Card<NOTHING>>,
        rules::found::<Card<NOTHING>>,
        rules::ids::<Card<NOTHING>>,
        rules::stable::<Card<NOTHING>>,
        rules::parted::<Card<NOTHING>>,
        rules::agreeing::<Card<NOTHING>>,
        rules::damaged::<Card<NOTHING>>,
        rules::vanishing::<Card<NOTHING>>,
        rules::odd_scan::<Card<NOTHING>>,
        rules::allocated::<Card<NOTHING>>,
        rules::unchanging::<Card<NOTHING>>,
        rules::bounded::<Card<NOTHING>>,
    ];
    for rule in all {
        outcome(rule, NODE, TIMEOUT).unwrap();
    }
}

#[test]
fn manifests_and_schemas_are_judged() {
    breaks(rules::declared::<Card<NO_SUMMARY>>, "the summary");
    breaks(rules::declared::<Demanding>, "`#[serde(default)]`");
}

#[test]
fn a_suite_without_devices_is_no_suite() {
    breaks(rules::found::<Card<FINDS_NONE>>, "no device is found");
    let without = outcome(rules::found::<Card<NOTHING>>, "", TIMEOUT);
    assert!(
        without
            .unwrap_err()
            .to_string()
            .contains("no device is found")
    );
}

#[test]
fn ids_are_judged() {
    breaks(rules::ids::<Card<TWICE>>, "the device `0000:17:00.0` twice");
    breaks(
        rules::ids::<Card<FOUND_AND_EXCLUDED>>,
        "`0000:17:00.1` is both found and left out",
    );
    breaks(rules::ids::<Meddler>, "`other` is none of the devices");
}

#[test]
fn another_answer_is_found() {
    breaks(
        rules::stable::<Card<ANOTHER_ORDER>>,
        "a second discovery of the same node",
    );
}

#[test]
fn parts_that_are_other_than_the_whole_are_found() {
    breaks(
        rules::parted::<Card<COUNTS_FUNCTIONS>>,
        "a discovery of 0000:17:00.0 alone finds",
    );
    breaks(
        rules::parted::<Card<IGNORES_PARTS>>,
        "which is out of scope",
    );
}

#[test]
fn a_virtual_function_is_asked_about_with_its_physical_one() {
    let node = "
        pf 0000:18:00.0 ac3e:0001 class=120000 driver=acme numa=1
        vf 0000:18:00.{1-2} ac3e:0002 pf=0000:18:00.0 id={0-1} class=120000 driver=acme
    ";
    outcome(rules::parted::<Card<READS_THE_PHYSICAL_ONE>>, node, TIMEOUT).unwrap();
}

#[test]
fn disagreement_is_found() {
    breaks(rules::agreeing::<Card<FLICKERS>>, "with the selectors {");
    breaks(
        rules::agreeing::<Card<REFUSES_UNASKED>>,
        "without a value for it",
    );
    breaks(
        rules::agreeing::<Card<FOREIGN_REASON>>,
        "`device`, which is no selector key",
    );
}

#[test]
fn panics_are_found_with_their_place() {
    breaks(
        rules::damaged::<Card<TRUSTS_FILES>>,
        "`/sys/devices/pci0000:17/0000:17:00.0/load` is an empty file",
    );
    breaks(
        rules::vanishing::<Card<TRUSTS_TWO_READS>>,
        "`0000:17:00.0` left the node before read",
    );
    breaks(
        rules::odd_scan::<Card<TRUSTS_THE_SCAN>>,
        "in the scan, no function has a driver",
    );
    breaks(
        rules::damaged::<Card<PANICS_IN_ALLOCATE>>,
        "`allocate` panics: index out of bounds",
    );
}

#[test]
fn empty_promises_are_found() {
    breaks(
        rules::allocated::<Card<PROMISES>>,
        "the container is promised `/dev/acme0`, which does not exist",
    );
}

#[test]
fn allocations_with_effects_are_found() {
    breaks(
        rules::unchanging::<Card<WRITES>>,
        "`allocate` changes `/dev/acme0`",
    );
    breaks(
        rules::unchanging::<Card<NUMBERS_ALLOCATIONS>>,
        "a second allocation is",
    );
}

#[test]
fn greed_is_found() {
    breaks(
        rules::bounded::<Card<GREEDY>>,
        "the discovery reads the node 409600 times",
    );
}

#[test]
fn a_provider_that_hangs_is_found() {
    let late = outcome(
        rules::found::<Card<HANGS>>,
        NODE,
        Duration::from_millis(100),
    );
    assert!(
        late.unwrap_err()
            .to_string()
            .contains("has not returned within 100ms")
    );
}
