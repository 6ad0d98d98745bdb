//! The rules, one function for each test that the macro makes.

mod agreeing;
mod allocated;
mod attributes;
mod bounded;
mod damaged;
mod declared;
mod drivers;
mod effect;
mod found;
mod memory;
mod numa;
mod odd_scan;
mod parted;
mod pre_start;
mod reasons;
mod settings;
mod stable;
mod together;
mod unchanging;

use super::{Case, Violation};

/// A rule over a provider, on the suite's node and the author's.
pub(super) type Rule = fn(&Case) -> Result<(), Violation>;

/// Every rule with the name of its test.
pub(super) const ALL: [(&str, Rule); 22] = [
    ("manifest_and_schema_are_sane", declared::declared),
    ("devices_are_found", found::found),
    ("ids_fit_a_kubelet", found::ids),
    ("numa_nodes_are_those_of_functions", numa::numa_nodes),
    ("attributes_can_be_published", attributes::attributes),
    ("reasons_are_sentences", reasons::reasons),
    ("answers_are_stable", stable::stable),
    ("parts_agree_with_the_whole", parted::parted),
    ("select_and_explain_agree", agreeing::agreeing),
    ("keys_have_an_effect", effect::effective),
    ("settings_may_be_left_out", settings::settings),
    ("damaged_nodes_cause_no_panic", damaged::damaged),
    ("functions_may_vanish", damaged::vanishing),
    ("odd_scans_cause_no_panic", odd_scan::odd_scan),
    ("healthy_devices_are_allocated", allocated::available),
    ("allocations_are_whole_or_refused", allocated::allocated),
    ("devices_fit_one_container", together::together),
    ("allocations_follow_the_driver", drivers::bound_anew),
    ("containers_start_again", pre_start::pre_start),
    ("calls_change_nothing", unchanging::unchanging),
    ("reads_are_bounded", bounded::bounded),
    ("memory_is_bounded", memory::memory),
];

/// The rule of the test `name`.
pub(super) fn named(name: &str) -> Option<Rule> {
    let mut all = ALL.iter();
    all.find_map(|&(of, rule)| (of == name).then_some(rule))
}
