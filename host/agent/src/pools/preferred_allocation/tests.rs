//! What each policy prefers, and what it does about requests that make no sense.

use proptest::prelude::*;

use super::*;
use crate::pools::sample;

/// Devices `a0`, `a1`, ... of the physical function `a`, those of `n` of none; capital letters are on NUMA node 1.
fn pool(ids: &[&str]) -> Pool {
    let mut devices: Vec<PoolDevice> = ids.iter().map(|id| device(id)).collect();
    devices.sort_by(|a, b| a.id.cmp(&b.id));
    Pool {
        resource: sample::resource("intel.com", "x"),
        devices,
    }
}

fn device(id: &str) -> PoolDevice {
    let port = id.as_bytes()[0];
    let physical_function = format!("0000:{:02x}:00.0", port.to_ascii_lowercase());
    PoolDevice {
        physical_function: (!port.eq_ignore_ascii_case(&b'n'))
            .then(|| physical_function.parse().unwrap()),
        numa_node: Some(u32::from(port.is_ascii_uppercase())),
        ..sample::device(id)
    }
}

fn ids(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn preferred(policy: AllocationPolicy, available: &str, must_include: &str, size: usize) -> String {
    let (available, must_include) = (ids(available), ids(must_include));
    let all: Vec<&str> = available.iter().map(String::as_str).collect();
    let wish = PreferredAllocationRequest {
        available: &available,
        must_include: &must_include,
        size,
    };
    preferred_allocation(&pool(&all), policy, wish).join(" ")
}

#[test]
fn each_policy_has_its_order() {
    use AllocationPolicy::{Balanced, Packed, Spread};
    let two_each = "a0 a1 b0 b1 C0 C1";
    let cases = [
        (
            Balanced,
            "a0 b0 b1 c0",
            "",
            2,
            "b0 a0",
            "the fullest function first, then by address",
        ),
        (
            Balanced,
            "a0 b0 C0 D0 D1",
            "",
            3,
            "D0 C0 D1",
            "one NUMA node, where it fits",
        ),
        (
            Balanced,
            "N0 n0 n1 n2",
            "",
            2,
            "n0 n1",
            "one NUMA node, also without a function",
        ),
        (
            Balanced,
            two_each,
            "C1",
            2,
            "C1 C0",
            "the node of what is there already",
        ),
        (
            Balanced,
            two_each,
            "",
            5,
            "a0 b0 C0 a1 b1",
            "all nodes, where one is too small",
        ),
        (
            Balanced,
            "a0 a1 a2 B0 B1 B2 B3",
            "a0",
            5,
            "a0 B0 B1 a1 B2",
            "a node that is too small is no bound",
        ),
        (
            Packed,
            "a0 a1 a2 b0 b1 c0",
            "",
            2,
            "b0 b1",
            "the function that it fits best",
        ),
        (
            Packed,
            "a0 a1 a2 b0 b1 c0",
            "",
            4,
            "a0 a1 a2 c0",
            "the largest, and the rest as it fits",
        ),
        (
            Packed,
            "a0 a1 a2 b0 b1",
            "a2",
            2,
            "a2 a0",
            "what is broken already",
        ),
        (Packed, "a0 a1 B0 c0", "", 3, "a0 a1 c0", "near the others"),
        (
            Spread,
            "a0 a1 a2 b0 c0",
            "",
            3,
            "a0 b0 c0",
            "each function once",
        ),
        (
            Spread,
            "a0 a1 a2 b0 b1",
            "a0",
            3,
            "a0 b0 a1",
            "what is there already counts",
        ),
    ];
    for (policy, available, must_include, size, expected, why) in cases {
        assert_eq!(
            preferred(policy, available, must_include, size),
            expected,
            "{policy:?}: {why}"
        );
    }
}

#[test]
fn an_odd_request_leaves_the_choice_to_the_kubelet() {
    let cases = [
        ("a0 a1", "", 3, "more than there are"),
        ("a0 a1", "a0 a1", 1, "fewer than it must have"),
        ("a0 a1", "b0", 2, "one that is not available"),
        ("a0 a1", "a0 a0", 2, "one twice"),
        ("", "", 1, "nothing available"),
    ];
    for (available, must_include, size, why) in cases {
        for (_, policy) in AllocationPolicy::NAMES {
            assert_eq!(
                preferred(policy, available, must_include, size),
                "",
                "{why}"
            );
        }
    }
    let wish = PreferredAllocationRequest {
        available: &ids("a0 gone0"),
        must_include: &[],
        size: 1,
    };
    assert_eq!(
        preferred_allocation(&pool(&["a0"]), AllocationPolicy::Packed, wish),
        ["a0"]
    );
}

proptest! {
    #[test]
    fn the_answer_is_what_was_asked_for(
        available in prop::collection::btree_set("[a-cA-C][0-9]", 1..40),
        must_include in 0usize..4,
        more in 0usize..40,
    ) {
        let available: Vec<String> = available.into_iter().collect();
        let must_include = &available[..must_include.min(available.len())];
        let size = must_include.len() + more;
        let all: Vec<&str> = available.iter().map(String::as_str).collect();
        for (_, policy) in AllocationPolicy::NAMES {
            let wish = PreferredAllocationRequest { available: &available, must_include, size };
            let pool = pool(&all);
            let mut chosen = preferred_allocation(&pool, policy, wish);
            prop_assert_eq!(chosen.len(), if size <= available.len() { size } else { 0 });
            if !chosen.is_empty() {
                prop_assert!(must_include.iter().all(|id| chosen.contains(&id.as_str())));
            }
            chosen.sort_unstable();
            chosen.dedup();
            prop_assert_eq!(chosen.len(), if size <= available.len() { size } else { 0 }, "one is there twice");
            prop_assert!(chosen.iter().all(|id| all.contains(id)));
        }
    }
}
