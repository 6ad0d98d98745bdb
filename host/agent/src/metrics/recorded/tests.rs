//! Events become series, which exist while their resource does.

use tracing_subscriber::layer::SubscriberExt;

use super::super::text::Format;
use super::*;

#[test]
fn events_become_counters_and_histograms() {
    let recorded = Arc::new(Recorded::default());
    let subscriber = tracing_subscriber::registry().with(recorded.layer());
    tracing::subscriber::with_default(subscriber, || {
        let _pool = tracing::info_span!("pool", resource = "intel.com/x").entered();
        for (result, duration_us) in [("ok", 300), ("ok", 2_000_000), ("error", 50)] {
            tracing::debug!(event = "allocate_ended", result, duration_us, "");
        }
        tracing::info!(event = "something_else", "");
    });
    let mut text = Text::new(Format::Prometheus);
    recorded.write(&mut text, None);
    let text = text.finish();
    for line in [
        r#"sriovdp_allocations_total{resource="intel.com/x",result="ok"} 2"#,
        r#"sriovdp_allocations_total{resource="intel.com/x",result="error"} 1"#,
        r#"sriovdp_allocation_duration_seconds_bucket{le="0.0001"} 1"#,
        r#"sriovdp_allocation_duration_seconds_bucket{le="0.0005"} 2"#,
        r#"sriovdp_allocation_duration_seconds_bucket{le="+Inf"} 3"#,
        "sriovdp_allocation_duration_seconds_sum 2.00035",
        "sriovdp_allocation_duration_seconds_count 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("something_else"));
}

#[test]
fn series_exist_while_their_resource_does() {
    let recorded = Arc::new(Recorded::default());
    let subscriber = tracing_subscriber::registry().with(recorded.layer());
    tracing::subscriber::with_default(subscriber, || {
        for resource in ["a", "b"] {
            tracing::info!(event = "registered", resource, "");
            tracing::debug!(event = "allocate_ended", resource, result = "error", "");
        }
    });
    let page = |resources: &[&str]| {
        let resources = resources.iter().map(ToString::to_string).collect();
        let mut text = Text::new(Format::Prometheus);
        recorded.write(&mut text, Some(&resources));
        let text = text.finish();
        let lines = text
            .lines()
            .filter(|line| line.contains("{resource="))
            .map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    assert_eq!(
        page(&["b", "c"]),
        [
            r#"sriovdp_allocations_total{resource="b",result="error"} 1"#,
            r#"sriovdp_allocations_total{resource="b",result="ok"} 0"#,
            r#"sriovdp_allocations_total{resource="c",result="error"} 0"#,
            r#"sriovdp_allocations_total{resource="c",result="ok"} 0"#,
            r#"sriovdp_registrations_total{resource="b"} 1"#,
            r#"sriovdp_registrations_total{resource="c"} 0"#,
        ]
    );
    assert_eq!(page(&[]), [""; 0]);
    assert_eq!(
        page(&["a"])[0],
        r#"sriovdp_allocations_total{resource="a",result="error"} 0"#
    );
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    for Rule { family, .. } in RULES {
        let is_counter = family.kind == Kind::Counter;
        assert_eq!(
            family.name.ends_with("_total"),
            is_counter,
            "{}",
            family.name
        );
        let is_histogram = family.kind == Kind::Histogram;
        assert_eq!(
            family.name.ends_with("_seconds"),
            is_histogram,
            "{}",
            family.name
        );
        assert!(family.help.ends_with('.'), "{}", family.name);
    }
}
