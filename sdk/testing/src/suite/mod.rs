//! What every provider has to keep to, as tests: the suite behind [`conformance!`](crate::conformance!).

mod damage;
mod meter;
pub mod rules;
mod stage;
mod subject;
#[cfg(test)]
mod tests;
mod values;
mod violation;

use std::sync::mpsc;
use std::time::Duration;

pub use violation::Violation;

/// A rule over a provider, on the suite's node and the author's.
pub type Rule = fn(&str) -> Result<(), Violation>;

/// Far more than a rule takes on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Tries one rule.
///
/// # Panics
///
/// When the provider does not keep to it, or does not come back.
#[track_caller]
pub fn demand(rule: Rule, author: &'static str) {
    if let Err(violation) = outcome(rule, author, TIMEOUT) {
        panic!("{violation}");
    }
}

fn outcome(rule: Rule, author: &'static str, timeout: Duration) -> Result<(), Violation> {
    let (sender, receiver) = mpsc::channel();
    let trial = std::thread::spawn(move || {
        // The receiver is gone after the timeout.
        let _ = sender.send(rule(author));
    });
    match receiver.recv_timeout(timeout) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Violation::new(format!(
            "the provider has not returned within {timeout:?}"
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
///     file @0000:17:00.0/acme/acme7/dev 240:7
///     dev /dev/acme7
/// ");
/// # }
/// ```
///
/// The text is a node in the [language of trees](tree) with some of the provider's devices, as whole as
/// a real one. It may be left out when the provider finds devices on the suite's own node, which has network
/// functions, subfunctions and accelerators of the usual vendors.
///
/// | test | holds when |
/// | --- | --- |
/// | `manifest_and_schema_are_sane` | the manifest is the same each time, its names are valid, and every selector key may be left out |
/// | `devices_are_found` | one of the nodes has a device of the provider, so that the other tests try something |
/// | `ids_fit_a_kubelet` | ids are unique, an extension returns only devices that it got, and nothing is both found and left out |
/// | `answers_are_stable` | discoveries and allocations of one node are equal, also after a restart |
/// | `parts_agree_with_the_whole` | an incremental provider finds the same on a function when only that one is in scope |
/// | `select_and_explain_agree` | for selectors made from the schema and the node, a device is selected exactly when `explain` has no reason |
/// | `damaged_nodes_cause_no_panic` | each file and link that was read is absent, empty, binary, huge, negative, dangling or a directory, one at a time |
/// | `functions_may_vanish` | each function leaves the node before each read about it |
/// | `odd_scans_cause_no_panic` | the host's scan differs from the files |
/// | `allocations_are_whole_or_refused` | a device node that a container is promised exists, also when `/dev` is empty |
/// | `allocations_change_nothing` | no file below the root changes, and a second allocation is equal to the first |
/// | `reads_are_bounded` | with 4,096 devices, the number of reads is bounded for each |
///
/// Reads are those through the [`Node`](sriovdp_sdk::Node).
#[macro_export]
#[doc(hidden)]
macro_rules! __sriovdp_conformance {
    ($provider:ty $(,)?) => {
        $crate::conformance!($provider, "");
    };
    ($provider:ty, $node:expr $(,)?) => {
        mod conformance {
            #[allow(unused_imports, reason = "the provider's name may come from anywhere")]
            use super::*;

            #[test]
            fn manifest_and_schema_are_sane() {
                $crate::suite::demand($crate::suite::rules::declared::<$provider>, $node);
            }

            #[test]
            fn devices_are_found() {
                $crate::suite::demand($crate::suite::rules::found::<$provider>, $node);
            }

            #[test]
            fn ids_fit_a_kubelet() {
                $crate::suite::demand($crate::suite::rules::ids::<$provider>, $node);
            }

            #[test]
            fn answers_are_stable() {
                $crate::suite::demand($crate::suite::rules::stable::<$provider>, $node);
            }

            #[test]
            fn parts_agree_with_the_whole() {
                $crate::suite::demand($crate::suite::rules::parted::<$provider>, $node);
            }

            #[test]
            fn select_and_explain_agree() {
                $crate::suite::demand($crate::suite::rules::agreeing::<$provider>, $node);
            }

            #[test]
            fn damaged_nodes_cause_no_panic() {
                $crate::suite::demand($crate::suite::rules::damaged::<$provider>, $node);
            }

            #[test]
            fn functions_may_vanish() {
                $crate::suite::demand($crate::suite::rules::vanishing::<$provider>, $node);
            }

            #[test]
            fn odd_scans_cause_no_panic() {
                $crate::suite::demand($crate::suite::rules::odd_scan::<$provider>, $node);
            }

            #[test]
            fn allocations_are_whole_or_refused() {
                $crate::suite::demand($crate::suite::rules::allocated::<$provider>, $node);
            }

            #[test]
            fn allocations_change_nothing() {
                $crate::suite::demand($crate::suite::rules::unchanging::<$provider>, $node);
            }

            #[test]
            fn reads_are_bounded() {
                $crate::suite::demand($crate::suite::rules::bounded::<$provider>, $node);
            }
        }
    };
}
