//! Faults of a provider in Allocate: the call fails, with the reason, and those of other pools do not wait for it.

use super::gate::{reached, with_gate};
use super::runtime_faults::{other_pools_are_unaffected, start};

#[tokio::test]
async fn failing_allocate_is_reported() {
    for (variable, fault, reason_part) in [
        (
            "FAULTY_PROVIDER",
            "allocate=bomb",
            "the panic has no message",
        ),
        (
            "RAW_PROVIDER",
            r#"allocate={"devices": []}"#,
            "the provider `raw.so` returned 0 allocations for 1 device",
        ),
        (
            "RAW_PROVIDER",
            "allocate=not-utf-8",
            "the provider's answer to `allocate` cannot be read",
        ),
        (
            "RAW_PROVIDER",
            r#"allocate={"devices": [{"nodes": [["/dev/null", "/etc/passwd"]]}]}"#,
            "the device node `/etc/passwd` is not below `/dev`",
        ),
        (
            "RAW_PROVIDER",
            r#"allocate={"devices": [{"companions": [["/dev/../etc/shadow", "/dev/x"]]}]}"#,
            "the provider `raw.so` returned an invalid allocation",
        ),
    ] {
        let (_node, kubelet, daemon) = start(variable, fault).await;
        let pool = match variable {
            "RAW_PROVIDER" => "intel.com/raw",
            _ => "intel.com/faulty",
        };
        kubelet
            .wait_for(pool, |view| view.allocatable() > 0)
            .await
            .unwrap();
        let refused = kubelet.allocate(pool, &["0000:02:10.0"]).await.unwrap_err();
        assert!(
            refused.to_string().contains(reason_part),
            "{fault}: {refused}"
        );
        other_pools_are_unaffected(&kubelet, daemon).await;
    }
}

/// The kubelet has its answer within three seconds, and the blocked thread delays no other call.
#[tokio::test]
async fn hanging_allocate_times_out() {
    let (_node, kubelet, daemon) = start("FAULTY_PROVIDER", "allocate=hang").await;
    let pool = "intel.com/faulty";
    kubelet
        .wait_for(pool, |view| view.allocatable() > 0)
        .await
        .unwrap();
    let refused = kubelet.allocate(pool, &["0000:02:10.0"]).await.unwrap_err();
    let reason_part = "the provider `faulty.so` has not answered `allocate` within ";
    assert!(refused.to_string().contains(reason_part), "{refused}");
    let refused = kubelet.allocate(pool, &["0000:02:10.0"]).await.unwrap_err();
    let reason_part = "the provider `faulty.so` is still busy with an earlier call";
    assert!(refused.to_string().contains(reason_part), "{refused}");
    assert!(kubelet.resource(pool).unwrap().allocatable() > 0);
    other_pools_are_unaffected(&kubelet, daemon).await;
}

#[tokio::test]
async fn an_allocate_that_waits_delays_no_other_pool() {
    let (node, gate) = with_gate("allocate=wait");
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    for pool in ["intel.com/faulty", "intel.com/a"] {
        let served = kubelet.wait_for(pool, |view| view.allocatable() > 0);
        served.await.unwrap();
    }
    let meanwhile = async {
        let gate = reached(&gate).await;
        let other = kubelet.allocate("intel.com/a", &["0000:41:10.0"]);
        other.await.unwrap();
        drop(gate);
    };
    let waits = kubelet.allocate("intel.com/faulty", &["0000:02:10.0"]);
    let (answer, ()) = tokio::join!(waits, meanwhile);
    answer.unwrap();
    other_pools_are_unaffected(&kubelet, daemon).await;
}

/// Each further one would take a thread.
#[tokio::test]
async fn a_cancelled_allocate_keeps_others_from_its_provider_until_it_returns() {
    let (node, gate) = with_gate("allocate=wait");
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    let pool = "intel.com/faulty";
    for pool in [pool, "intel.com/a"] {
        let served = kubelet.wait_for(pool, |view| view.allocatable() > 0);
        served.await.unwrap();
    }
    let gate = tokio::select! {
        answer = kubelet.allocate(pool, &["0000:02:10.0"]) => panic!("{answer:?}"),
        gate = reached(&gate) => gate,
    };
    let refused = kubelet.allocate(pool, &["0000:02:10.0"]).await.unwrap_err();
    let busy = "the provider `faulty.so` is still busy with an earlier call";
    assert!(refused.to_string().contains(busy), "{refused}");
    drop(gate);
    other_pools_are_unaffected(&kubelet, daemon).await;
}
