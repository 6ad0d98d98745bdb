//! The suite finds each of its faults, and none in a provider that has none.

mod cards;
mod fault;
mod mutants;
mod slingshot;

use std::time::Duration;

use cards::*;
use sriovdp_sdk::Provider;

use super::{Case, TIMEOUT, Violation, outcome, rules};

const NODE: &str = "
    pci 0000:17:00.{0-2} ac3e:000{0-2} class=120000 driver=acme
    file @0000:17:00.{0-2}/acme/acme{0-2}/dev 240:{0-2}
    file @0000:17:00.{0-2}/load 17
    dev /dev/acme{0-2}
";

#[track_caller]
fn breaks<P: Provider>(rule: &str, expected: &str) {
    let violation = tried::<P>(rule, NODE).expect_err("a violation");
    assert!(violation.to_string().contains(expected), "{violation}");
}

fn tried<P: Provider>(rule: &str, node: &'static str) -> Result<(), Violation> {
    let rule = rules::named(rule).expect("a rule");
    outcome(rule, Case::of::<P>().on(node), TIMEOUT)
}

#[test]
fn a_provider_without_a_fault_passes() {
    // The memory of this process is that of all tests.
    let alone = "memory_is_bounded";
    for (rule, _) in rules::ALL.iter().filter(|(rule, _)| *rule != alone) {
        tried::<Card<NOTHING>>(rule, NODE).unwrap();
    }
}

#[test]
fn manifests_and_schemas_are_judged() {
    breaks::<Card<NO_SUMMARY>>("manifest_and_schema_are_sane", "the summary");
    breaks::<Demanding>("manifest_and_schema_are_sane", "`#[serde(default)]`");
}

#[test]
fn a_suite_without_devices_is_no_suite() {
    breaks::<Card<FINDS_NONE>>("devices_are_found", "no device is found");
    let without = tried::<Card<NOTHING>>("devices_are_found", "");
    assert!(
        without
            .unwrap_err()
            .to_string()
            .contains("no device is found")
    );
}

#[test]
fn ids_are_judged() {
    breaks::<Card<TWICE>>("ids_fit_a_kubelet", "the device `0000:17:00.0` twice");
    breaks::<Card<FOUND_AND_EXCLUDED>>(
        "ids_fit_a_kubelet",
        "`0000:17:00.1` is both found and left out",
    );
    breaks::<Meddler>("ids_fit_a_kubelet", "`other` is none of the devices");
}

#[test]
fn another_answer_is_found() {
    breaks::<Card<ANOTHER_ORDER>>("answers_are_stable", "a second discovery of the same node");
}

#[test]
fn parts_that_are_other_than_the_whole_are_found() {
    breaks::<Card<COUNTS_FUNCTIONS>>(
        "parts_agree_with_the_whole",
        "a discovery of 0000:17:00.0 alone finds",
    );
    breaks::<Card<IGNORES_PARTS>>("parts_agree_with_the_whole", "which is out of scope");
}

#[test]
fn a_virtual_function_is_asked_about_with_its_physical_one() {
    let node = "
        pf 0000:18:00.0 ac3e:0001 class=120000 driver=acme numa=1
        vf 0000:18:00.{1-2} ac3e:0002 pf=0000:18:00.0 id={0-1} class=120000 driver=acme
    ";
    tried::<Card<READS_THE_PHYSICAL_ONE>>("parts_agree_with_the_whole", node).unwrap();
}

#[test]
fn disagreement_is_found() {
    breaks::<Card<FLICKERS>>("select_and_explain_agree", "with the selectors {");
    breaks::<Card<REFUSES_UNASKED>>("select_and_explain_agree", "without a value for it");
    breaks::<Card<FOREIGN_REASON>>(
        "select_and_explain_agree",
        "`device`, which is no selector key",
    );
}

#[test]
fn panics_are_found_with_their_place() {
    breaks::<Card<TRUSTS_FILES>>(
        "damaged_nodes_cause_no_panic",
        "`/sys/devices/pci0000:17/0000:17:00.0/load` is an empty file",
    );
    breaks::<Card<TRUSTS_TWO_READS>>(
        "functions_may_vanish",
        "`0000:17:00.0` left the node before read",
    );
    breaks::<Card<TRUSTS_THE_SCAN>>(
        "odd_scans_cause_no_panic",
        "in the scan, no function has a driver",
    );
    breaks::<Card<PANICS_IN_ALLOCATE>>(
        "damaged_nodes_cause_no_panic",
        "`allocate` panics: index out of bounds",
    );
}

#[test]
fn empty_promises_are_found() {
    breaks::<Card<PROMISES>>(
        "allocations_are_whole_or_refused",
        "the container is promised `/dev/acme0`, which does not exist",
    );
}

#[test]
fn allocations_with_effects_are_found() {
    breaks::<Card<WRITES>>("calls_change_nothing", "`allocate` changes `/dev/acme0`");
    breaks::<Card<NUMBERS_ALLOCATIONS>>("calls_change_nothing", "a second allocation is");
}

#[test]
fn greed_is_found() {
    breaks::<Card<GREEDY>>(
        "reads_are_bounded",
        "the discovery reads the node 409600 times",
    );
}

#[test]
fn a_provider_that_hangs_is_found() {
    breaks::<Card<HANGS>>("devices_are_found", "`discover` has not returned within 1s");
}

#[test]
fn calls_that_are_too_slow_together_are_found() {
    let rule = |_: &Case| {
        loop {
            std::thread::park();
        }
    };
    let late = outcome(
        rule,
        Case::of::<Card<NOTHING>>(),
        Duration::from_millis(100),
    );
    let late = late.unwrap_err().to_string();
    assert!(late.contains("the rule has taken 100ms"), "{late}");
}

#[test]
fn a_violation_names_the_node() {
    let violation = tried::<Card<TRUSTS_FILES>>("damaged_nodes_cause_no_panic", NODE);
    let violation = violation.unwrap_err().to_string();
    assert!(
        violation.ends_with("; on the node of `conformance!`"),
        "{violation}"
    );
}

#[test]
fn a_rule_can_be_excepted() {
    let case = Case::of::<Card<NOTHING>>().except(&["ids_fit_a_kubelet"]);
    assert!(case.has_exception_from("ids_fit_a_kubelet").unwrap());
    assert!(!case.has_exception_from("devices_are_found").unwrap());
    let unknown = Case::of::<Card<NOTHING>>().except(&["no_such_rule"]);
    let refused = unknown.has_exception_from("devices_are_found").unwrap_err();
    assert_eq!(refused.to_string(), "the suite has no rule `no_such_rule`");
}
