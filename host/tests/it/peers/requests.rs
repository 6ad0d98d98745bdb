//! Requests that no kubelet sends: each costs its sender an error and the daemon nothing.

use sriovdp_proto::deviceplugin::{
    AllocateRequest, ContainerAllocateRequest, ContainerPreferredAllocationRequest,
    PreferredAllocationRequest,
};
use tonic::Code;

use super::{GOOD, POOL, client, memory, registered};
use crate::test_node::{RegistrationMode, both_modes};

both_modes!(odd_requests_cost_an_error);

async fn odd_requests_cost_an_error(mode: RegistrationMode) {
    let (_node, kubelet, daemon) = registered(mode).await;
    let mut client = client(&kubelet).await;
    // The peak of its start is forgotten.
    std::fs::write(format!("/proc/{}/clear_refs", daemon.id()), "5").unwrap();
    let before = memory(&daemon, "VmHWM:");
    let one = |ids: Vec<String>| vec![ids];
    let repeated = |text: &str, times: usize| vec![text.to_owned(); times];
    let (too_large, invalid) = (Code::OutOfRange, Code::InvalidArgument);
    let cases = [
        (
            "one id 290,000 times",
            one(repeated(GOOD, 290_000)),
            too_large,
        ),
        ("one id 16,000 times", one(repeated(GOOD, 16_000)), invalid),
        (
            "1,390,000 short ids",
            one(repeated("x", 1_390_000)),
            too_large,
        ),
        (
            "87,000 short ids",
            one(repeated("x", 87_000)),
            Code::NotFound,
        ),
        (
            "2,090,000 empty containers",
            vec![vec![]; 2_090_000],
            too_large,
        ),
        ("130,000 empty containers", vec![vec![]; 130_000], invalid),
        (
            "one id in two containers",
            vec![repeated(GOOD, 1); 2],
            invalid,
        ),
        ("an id of 4 MB", one(vec!["x".repeat(4_000_000)]), too_large),
        (
            "an id of 200 kB",
            one(vec!["x".repeat(200_000)]),
            Code::NotFound,
        ),
        (
            "an id with a line feed",
            one(vec!["x\n2026-01-01 ERROR forged".to_owned()]),
            Code::NotFound,
        ),
    ];
    for (what, containers, code) in cases {
        let container_requests = containers
            .into_iter()
            .map(|devices_ids| ContainerAllocateRequest { devices_ids })
            .collect();
        let answer = client
            .allocate(AllocateRequest { container_requests })
            .await;
        let status = answer.expect_err(what);
        assert_eq!(status.code(), code, "{what}: {status}");
        let text = status.message();
        assert!(text.len() < 1100 && !text.contains('\n'), "{what}: {text}");
    }
    let unknown = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
    let wish = |available: Vec<String>, must_include: Vec<String>, allocation_size| {
        ContainerPreferredAllocationRequest {
            available_device_i_ds: available,
            must_include_device_i_ds: must_include,
            allocation_size,
        }
    };
    let good = || repeated(GOOD, 1);
    let cases = [
        (
            "an id twice",
            vec![wish(repeated(GOOD, 2), vec![], 1)],
            Some(invalid),
        ),
        (
            "one id 16,000 times",
            vec![wish(vec![], repeated(GOOD, 16_000), 1)],
            Some(invalid),
        ),
        (
            "more ids than devices",
            vec![wish(unknown(30_000), vec![], 1)],
            Some(invalid),
        ),
        (
            "130,000 containers",
            vec![wish(vec![], vec![], 0); 130_000],
            Some(invalid),
        ),
        (
            "1,000,000 containers",
            vec![wish(vec![], vec![], 0); 1_000_000],
            Some(too_large),
        ),
        (
            "an id that is no more",
            vec![wish(unknown(1), vec![], 1)],
            None,
        ),
        (
            "more to include than there are",
            vec![wish(vec![], good(), 1)],
            None,
        ),
        ("a negative number", vec![wish(good(), vec![], -1)], None),
        ("a huge number", vec![wish(good(), good(), i32::MAX)], None),
    ];
    for (what, container_requests, code) in cases {
        let request = PreferredAllocationRequest { container_requests };
        let answer = client.get_preferred_allocation(request).await;
        // An empty answer leaves the choice to the kubelet.
        let ids = answer.map(|answer| answer.into_inner().container_responses[0].device_i_ds.len());
        assert_eq!(
            ids.map_err(|status| status.code()),
            code.map_or(Ok(0), Err),
            "{what}"
        );
    }
    kubelet.allocate(POOL, &[GOOD]).await.unwrap();
    let refused = daemon.logs("allocate_refused").with("resource", POOL);
    assert!(refused.now().len() > 3, "{}", daemon.log());
    let log = daemon.log();
    assert!(
        !log.lines().any(|line| line.starts_with("2026-01-01")),
        "{log}"
    );
    let peak = memory(&daemon, "VmHWM:");
    assert!(peak < before + 20_000, "{before} -> {peak} kB");
}
