//! What every provider has to keep to, as tests: the suite behind [`conformance!`](crate::conformance!).

mod alone;
mod case;
mod damage;
mod meter;
mod rules;
mod stage;
mod subject;
#[cfg(test)]
mod tests;
mod values;
mod violation;
mod worker;

use std::sync::mpsc;
use std::time::Duration;

pub use case::Case;
pub use violation::Violation;

use rules::Rule;

/// Far more than a rule takes on a slow machine with a provider that answers within its limits.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Tries the rule `name`, which is a test in the module `module`.
///
/// # Panics
///
/// When the provider does not keep to it.
#[track_caller]
pub fn demand(name: &str, module: &str, case: &Case) {
    if let Err(violation) = tried(name, module, case) {
        panic!("{violation}");
    }
}

fn tried(name: &str, module: &str, case: &Case) -> Result<(), Violation> {
    let rule = rules::named(name).ok_or_else(|| Violation::new("the suite has no such rule"));
    if case.has_exception_from(name)? {
        return Ok(());
    }
    // The name of the crate is no part of the name of a test.
    let (_, module) = module.split_once("::").unwrap_or_default();
    let test = format!("{module}::{name}");
    rule.and_then(|rule| alone::alone(&test, || outcome(rule, *case, TIMEOUT)))
        .map_err(|violation| violation.of(name))
}

fn outcome(rule: Rule, case: Case, timeout: Duration) -> Result<(), Violation> {
    let (sender, receiver) = mpsc::channel();
    let trial = std::thread::spawn(move || {
        // The receiver is gone after the timeout.
        let _ = sender.send(rule(&case));
    });
    match receiver.recv_timeout(timeout) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Violation::new(format!(
            "the rule has taken {timeout:?}: each call is within its limit, and all of them together are too slow"
        ))),
        Err(mpsc::RecvTimeoutError::Disconnected) => match trial.join() {
            Ok(()) => Err(Violation::new("the suite has no answer")),
            Err(payload) => std::panic::resume_unwind(payload),
        },
    }
}

/// Makes the tests that every provider has to pass, in a module `conformance` of yours.
///
/// ```
/// # mod tests {
/// # use sriovdp_sdk::prelude::*;
/// # #[derive(Default)]
/// # pub struct AcmeFpga;
/// # #[selectors]
/// # pub struct Nothing {}
/// # impl Provider for AcmeFpga {
/// #     type Selectors = Nothing;
/// #     type Facts = ();
/// #     fn manifest(&self) -> Manifest { Manifest::device_type("acmeFpga", "Acme FPGA cards") }
/// #     fn discover(&self, _: &Node) -> Result<Discovery<()>, Error> { Ok(Discovery::default()) }
/// #     fn matches(&self, _: &Nothing, _: &Device<()>) -> Result<(), Mismatch> { Ok(()) }
/// #     fn allocate(&self, _: &Node, _: &Nothing, _: &Device<()>) -> Result<Allocation, Error> { Ok(Allocation::default()) }
/// # }
/// sriovdp_sdk_testing::conformance!(AcmeFpga, "
///     pci 0000:17:00.{0-1} ac3e:0001 class=120000 driver=acme
///     file @0000:17:00.{0-1}/acme/acme{0-1}/dev 240:{0-1}
///     dev /dev/acme{0-1}
/// ");
/// # }
/// ```
///
/// The text is a node in the [language of trees](tree) with some of the provider's devices, as whole as
/// a real one. It may be left out when the provider finds devices on the suite's own node, which has network
/// functions, subfunctions and accelerators of the usual vendors. A message names the rule and the node.
///
/// | test | holds when |
/// | --- | --- |
/// | `manifest_and_schema_are_sane` | the manifest is the same each time, its names are valid, and every selector key may be left out and then constrains nothing |
/// | `devices_are_found` | one of the nodes has a device of the provider, so that the other tests try something |
/// | `ids_fit_a_kubelet` | ids are unique, an extension returns only devices that it got, and nothing is both found and left out |
/// | `numa_nodes_are_those_of_functions` | a device has another NUMA node when its function has, or none |
/// | `attributes_can_be_published` | a device has at most 32 attributes, whose ids and values have the lengths that Dynamic Resource Allocation allows |
/// | `reasons_are_sentences` | each reason of a finding, a mismatch and a device that is left out is one line of text |
/// | `answers_are_stable` | discoveries and allocations of one node are equal, also after a restart and in another order |
/// | `parts_agree_with_the_whole` | an incremental provider finds the same on a function, and selects it by the same selectors, when only that one is in scope |
/// | `select_and_explain_agree` | for selectors made from the schema and the node, a device is selected exactly when `explain` has no reason |
/// | `keys_have_an_effect` | some value of each selector key changes what is selected, found unhealthy, warned of or allocated; `without_effect` is for a key that is meant to change nothing |
/// | `settings_may_be_left_out` | an empty section of the configuration is as good as none, and no section that the schema allows causes a panic |
/// | `damaged_nodes_cause_no_panic` | each file and link that was read is absent, empty, binary, huge, negative, dangling or a directory, one at a time |
/// | `functions_may_vanish` | each function leaves the node before each read about it |
/// | `odd_scans_cause_no_panic` | the host's scan differs from the files |
/// | `healthy_devices_are_allocated` | a device without a finding can be allocated without a selector |
/// | `allocations_are_whole_or_refused` | a device node that a container is promised exists, also when `/dev` is empty; mounts are of the device and not of the node; `_INFO` has at most 4 KiB for a device |
/// | `devices_fit_one_container` | no two devices of a node contribute different values for one environment variable, annotation or path |
/// | `allocations_follow_the_driver` | with a selector `drivers`, a device is refused after another driver was bound to it |
/// | `containers_start_again` | `pre_start` of a healthy device that is handed out succeeds, a second time, too |
/// | `calls_change_nothing` | no file below the root changes, and a second allocation is equal to the first |
/// | `reads_are_bounded` | with 4,096 devices, the number of reads is bounded for each |
/// | `memory_is_bounded` | repeated discoveries and allocations of the same devices need no more memory |
///
/// In each of them a call has to return within the [limits](sriovdp_sdk::limits) of a host, `discover` within a second,
/// and to read the node on its own thread. Reads are those through the [`Node`](sriovdp_sdk::Node). Each test runs in a
/// process of its own, so that a provider that ends it or crashes fails the test.
///
/// # Exceptions
///
/// `conformance!(Provider, NODE, without_effect = ["key"], except = ["devices_fit_one_container"])` names keys that change
/// nothing, and rules that a provider does not keep on purpose; both are optional, in this order. Write the reason above it.
///
/// # What it does not find
///
/// * Reads past the `Node`: with `std::fs` or a library, of files that the nodes above do not have.
/// * A fault by a value, a file or a state of hardware that is on neither node and does not follow from the schema:
///   a panic, an exit or a wrong match there. Write your own tests for such values, with the [`Harness`](crate::Harness).
/// * Whether something is a device:
///   a physical function whose virtual functions are devices as well, or a function of another device type.
/// * Whether a device works in the container: a node that exists and is the wrong one, a value of `_INFO` that a program
///   cannot use.
#[macro_export]
#[doc(hidden)]
macro_rules! __sriovdp_conformance {
    ($provider:ty $(,)?) => {
        $crate::conformance!($provider, "");
    };
    ($provider:ty, $node:expr $(,)?) => {
        $crate::conformance!($provider, $node, without_effect = [], except = []);
    };
    ($provider:ty, $node:expr, without_effect = [$($key:literal),* $(,)?] $(,)?) => {
        $crate::conformance!($provider, $node, without_effect = [$($key),*], except = []);
    };
    ($provider:ty, $node:expr, except = [$($rule:literal),* $(,)?] $(,)?) => {
        $crate::conformance!($provider, $node, without_effect = [], except = [$($rule),*]);
    };
    (
        $provider:ty, $node:expr,
        without_effect = [$($key:literal),* $(,)?], except = [$($rule:literal),* $(,)?] $(,)?
    ) => {
        mod conformance {
            #[allow(unused_imports, reason = "the provider's name may come from anywhere")]
            use super::*;

            fn case() -> $crate::suite::Case {
                let case = $crate::suite::Case::of::<$provider>().on($node);
                case.without_effect(&[$($key),*]).except(&[$($rule),*])
            }

            $crate::__sriovdp_rules! {
                manifest_and_schema_are_sane
                devices_are_found
                ids_fit_a_kubelet
                numa_nodes_are_those_of_functions
                attributes_can_be_published
                reasons_are_sentences
                answers_are_stable
                parts_agree_with_the_whole
                select_and_explain_agree
                keys_have_an_effect
                settings_may_be_left_out
                damaged_nodes_cause_no_panic
                functions_may_vanish
                odd_scans_cause_no_panic
                healthy_devices_are_allocated
                allocations_are_whole_or_refused
                devices_fit_one_container
                allocations_follow_the_driver
                containers_start_again
                calls_change_nothing
                reads_are_bounded
                memory_is_bounded
            }
        }
    };
}

/// A test for each rule, in a module with a function `case`.
#[macro_export]
#[doc(hidden)]
macro_rules! __sriovdp_rules {
    ($($rule:ident)*) => {$(
        #[test]
        fn $rule() {
            $crate::suite::demand(stringify!($rule), module_path!(), &case());
        }
    )*};
}
