//! Each fault of a provider is found by one rule, or is on the list of what the suite does not find.

use std::thread;

use super::fault::{FAULT, Fault};
use super::slingshot::{NODE, Slingshot};
use crate::suite::{Case, Violation, alone, rules};

struct Mutant {
    fault: Fault,
    rule: &'static str,
    message: &'static str,
}

const fn found(fault: Fault, rule: &'static str, message: &'static str) -> Mutant {
    Mutant {
        fault,
        rule,
        message,
    }
}

const FOUND: [Mutant; 34] = [
    found(
        Fault::PromisesWhatIsMissing,
        "allocations_are_whole_or_refused",
        "the container is promised `/dev/cxi0`, which does not exist",
    ),
    found(
        Fault::RefusesAlways,
        "healthy_devices_are_allocated",
        "`allocate` refuses the healthy device `0000:21:00.0`: not today",
    ),
    found(
        Fault::MountsTheRoot,
        "allocations_are_whole_or_refused",
        "the container gets `/` of the node, writable",
    ),
    found(
        Fault::MountsTheRootBehindAKey,
        "allocations_are_whole_or_refused",
        "the container gets `/` of the node, writable",
    ),
    found(
        Fault::HandsOutAFile,
        "allocations_are_whole_or_refused",
        "the device node `/usr/share/cxi/cxi0.fw` is not below `/dev`",
    ),
    found(
        Fault::IgnoresTheBoundDriver,
        "allocations_follow_the_driver",
        "another driver was bound to after the discovery",
    ),
    found(
        Fault::ForgetsAKey,
        "keys_have_an_effect",
        "the selector key `devices` changes nothing",
    ),
    found(
        Fault::TrustsFiles,
        "damaged_nodes_cause_no_panic",
        "`discover` panics",
    ),
    found(
        Fault::NamesAForeignKey,
        "select_and_explain_agree",
        "`device`, which is no selector key",
    ),
    found(
        Fault::AllocatesSlowly,
        "healthy_devices_are_allocated",
        "`allocate` has not returned within 3s",
    ),
    found(
        Fault::DiscoversSlowly,
        "devices_are_found",
        "`discover` has not returned within 1s",
    ),
    found(
        Fault::OffersOneTwice,
        "ids_fit_a_kubelet",
        "the device `0000:21:00.0` twice",
    ),
    found(
        Fault::RemembersInMatches,
        "select_and_explain_agree",
        "with the selectors {}",
    ),
    found(
        Fault::WritesInDiscover,
        "calls_change_nothing",
        "`discover` changes `/sys/devices/",
    ),
    found(
        Fault::ReadsOnAThread,
        "devices_are_found",
        "on a thread of its own",
    ),
    found(
        Fault::PanicsOnThreeValues,
        "select_and_explain_agree",
        "`select` panics",
    ),
    found(
        Fault::HandsOutTheFirst,
        "answers_are_stable",
        "with the allocations in another order",
    ),
    found(
        Fault::CountsFunctions,
        "parts_agree_with_the_whole",
        "the facts depend on other functions",
    ),
    found(
        Fault::FindsWithoutAReason,
        "reasons_are_sentences",
        "has no reason",
    ),
    found(
        Fault::WritesAMegabyte,
        "allocations_are_whole_or_refused",
        "in `PCIDEVICE_…_INFO`, and 4096 are allowed",
    ),
    found(
        Fault::HidesANodeInTheContainer,
        "allocations_are_whole_or_refused",
        "the device node `/etc/cxi` is not below `/dev`",
    ),
    found(
        Fault::ConstrainsByDefault,
        "select_and_explain_agree",
        "without a value for it",
    ),
    found(
        Fault::HasNoSummary,
        "manifest_and_schema_are_sane",
        "the summary of the manifest",
    ),
    found(
        Fault::MakesUpNumaNodes,
        "numa_nodes_are_those_of_functions",
        "has the NUMA node 0 whatever",
    ),
    found(
        Fault::ExcludesWithoutAReason,
        "reasons_are_sentences",
        "`0000:41:00.0`, which is left out, has no reason",
    ),
    found(
        Fault::SetsOneVariable,
        "devices_fit_one_container",
        "the environment variable `FI_CXI_DEVICE_NAME` is `cxi0` for one and `cxi1` for the other",
    ),
    found(
        Fault::SetsAVariableOfTheHost,
        "allocations_are_whole_or_refused",
        "the environment variable `PCIDEVICE_CXI` belongs to the host",
    ),
    found(
        Fault::GivesAllOnePath,
        "devices_fit_one_container",
        "the device node `/dev/cxi` is `/dev/cxi0` for one",
    ),
    found(
        Fault::PanicsOnASetting,
        "settings_may_be_left_out",
        "`discover` panics",
    ),
    found(
        Fault::StartsOnce,
        "containers_start_again",
        "refuses the next one: it has been prepared",
    ),
    found(
        Fault::RefusesToStart,
        "containers_start_again",
        "`pre_start` refuses the healthy device `0000:21:00.0`: not today",
    ),
    found(
        Fault::StartsSlowly,
        "containers_start_again",
        "`pre_start` has not returned within 3s",
    ),
    found(
        Fault::HasALongAttribute,
        "attributes_can_be_published",
        "the attribute `firmware` of `0000:21:00.0` is not valid",
    ),
    found(
        Fault::AllocatesInTurn,
        "calls_change_nothing",
        "a second allocation is",
    ),
];

/// What no rule finds, and the words of the documentation.
const NOT_FOUND: [(Fault, &str); 3] = [
    (Fault::ReadsPastTheNode, "Reads past the `Node`"),
    (Fault::ExitsOnAnUntriedValue, "A fault by a value"),
    (
        Fault::OffersPhysicalFunctions,
        "a physical function whose virtual functions are devices as well",
    ),
];

fn tried(fault: Fault, rule: &str) -> Result<(), Violation> {
    FAULT.set(fault);
    let rule = rules::named(rule).expect("a rule");
    // On this thread, which has the fault.
    rule(&Case::of::<Slingshot>().on(NODE))
}

#[test]
fn the_provider_without_a_fault_passes() {
    // The memory of this process is that of all tests.
    let alone = "memory_is_bounded";
    for (rule, _) in rules::ALL.iter().filter(|(rule, _)| *rule != alone) {
        tried(Fault::None, rule).unwrap_or_else(|violation| panic!("{rule}: {violation}"));
    }
}

#[test]
fn each_fault_is_found_by_its_rule() {
    // Two at a time: a call may take a second, also on a machine with other work.
    let (first, second) = FOUND.split_at(FOUND.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| first.iter().for_each(is_found));
        scope.spawn(|| second.iter().for_each(is_found));
    });
}

fn is_found(mutant: &Mutant) {
    let violation = tried(mutant.fault, mutant.rule);
    let violation = violation.map_or_else(|v| v.to_string(), |()| "nothing".to_owned());
    assert!(
        violation.contains(mutant.message),
        "{:?} with `{}`: {violation}",
        mutant.fault,
        mutant.rule
    );
}

#[test]
fn an_exit_is_found() {
    let test = "suite::tests::mutants::an_exit_is_found";
    let violation = alone::alone(test, || {
        tried(Fault::ExitsOnAValue, "select_and_explain_agree")
    });
    let violation = violation.unwrap_err().to_string();
    assert!(
        violation.starts_with("the provider ends its process (exit status: 0)"),
        "{violation}"
    );
}

#[test]
fn memory_that_is_not_freed_is_found() {
    let test = "suite::tests::mutants::memory_that_is_not_freed_is_found";
    let violation = alone::alone(test, || tried(Fault::Leaks, "memory_is_bounded"));
    let violation = violation.unwrap_err().to_string();
    assert!(violation.contains("KiB more memory"), "{violation}");
}

#[test]
fn what_is_not_found_is_documented() {
    thread::scope(|scope| {
        for (fault, documented) in NOT_FOUND {
            assert!(
                include_str!("../mod.rs").contains(documented),
                "{documented}"
            );
            scope.spawn(move || {
                for (rule, _) in rules::ALL
                    .iter()
                    .filter(|(rule, _)| *rule != "memory_is_bounded")
                {
                    tried(fault, rule).unwrap_or_else(|violation| {
                        panic!("{fault:?} is found by `{rule}`: {violation}")
                    });
                }
            });
        }
    });
}

#[test]
fn each_rule_is_a_test_and_documented() {
    let source = include_str!("../mod.rs");
    for (rule, _) in rules::ALL {
        assert!(source.contains(&format!("/// | `{rule}` |")), "{rule}");
        assert!(
            source.contains(&format!("                {rule}\n")),
            "{rule}"
        );
    }
}
