//! Counters and histograms, recorded from the events of the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::text::{Family, Kind, Text};
use crate::event_fields;

/// The field with a duration, in microseconds.
const DURATION: &str = "duration_us";

/// The upper bounds of the buckets, in seconds: from a call that reads nothing to one that hangs.
const BUCKETS: [f64; 12] = [
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0,
];

/// What follows from the events of one name.
struct Rule {
    event: &'static str,
    family: Family,
    /// The fields that are its labels.
    labels: &'static [&'static str],
}

const fn rule(event: &'static str, family: Family, labels: &'static [&'static str]) -> Rule {
    Rule {
        event,
        family,
        labels,
    }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
    }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Histogram,
        help,
    }
}

static RULES: &[Rule] = &[
    rule(
        "allocate_ended",
        counter(
            "sriovdp_allocations_total",
            "Calls of Allocate, by their result.",
        ),
        &["resource", "result"],
    ),
    rule(
        "allocate_ended",
        histogram(
            "sriovdp_allocation_duration_seconds",
            "The time that calls of Allocate take.",
        ),
        &[],
    ),
    rule(
        "registered",
        counter(
            "sriovdp_registrations_total",
            "Registrations with the kubelet.",
        ),
        &["resource"],
    ),
    rule(
        "reconciled",
        counter(
            "sriovdp_reconciles_total",
            "Reconciles of the node, full and incremental.",
        ),
        &["scope"],
    ),
    rule(
        "reconciled",
        histogram(
            "sriovdp_reconcile_duration_seconds",
            "The time that reconciles take.",
        ),
        &["scope"],
    ),
    rule(
        "provider_called",
        counter(
            "sriovdp_provider_calls_total",
            "Calls of provider libraries, by their result.",
        ),
        &["provider", "method", "result"],
    ),
    rule(
        "provider_called",
        histogram(
            "sriovdp_provider_call_duration_seconds",
            "The time that calls of provider libraries take.",
        ),
        &["provider", "method"],
    ),
    rule(
        "kernel_events_lost",
        counter(
            "sriovdp_kernel_events_lost_total",
            "Overflows of the kernel's event buffers, each of which triggers a full reconcile.",
        ),
        &[],
    ),
];

/// Names and values of labels, in the order of the rule.
type Labels = Vec<(&'static str, String)>;

/// The values of all counters and histograms.
#[derive(Debug, Default)]
pub struct Recorded(Mutex<BTreeMap<&'static str, BTreeMap<Labels, Series>>>);

/// One counter, or one histogram.
#[derive(Debug, Default)]
struct Series {
    count: u64,
    /// In seconds.
    sum: f64,
    buckets: [u64; BUCKETS.len()],
}

impl Recorded {
    /// The layer that records; the caller filters events by level and target.
    pub fn layer(self: &Arc<Self>) -> MetricsLayer {
        MetricsLayer(Arc::clone(self))
    }

    fn record(&self, fields: &Map<String, Value>) {
        let Some(event) = fields
            .get(event_fields::EVENT_FIELD)
            .and_then(Value::as_str)
        else {
            return;
        };
        for rule in RULES.iter().filter(|rule| rule.event == event) {
            let labels = rule.labels.iter().map(|&label| {
                let value = fields.get(label).and_then(Value::as_str);
                (label, value.unwrap_or_default().to_owned())
            });
            let labels: Labels = labels.collect();
            let mut families = self.families();
            let series = families.entry(rule.family.name).or_default();
            let series = series.entry(labels).or_default();
            series.count += 1;
            if let Some(duration) = fields.get(DURATION).and_then(Value::as_f64) {
                series.observe(duration / 1e6);
            }
        }
    }

    pub(super) fn write(&self, text: &mut Text) {
        let families = self.families();
        let mut written = Vec::new();
        for Rule { family, .. } in RULES {
            if written.contains(&family.name) {
                continue;
            }
            written.push(family.name);
            text.family(family);
            for (labels, series) in families.get(family.name).into_iter().flatten() {
                series.write(text, family, labels);
            }
        }
    }

    fn families(&self) -> MutexGuard<'_, BTreeMap<&'static str, BTreeMap<Labels, Series>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series {
    fn observe(&mut self, seconds: f64) {
        self.sum += seconds;
        for (count, bound) in self.buckets.iter_mut().zip(BUCKETS) {
            *count += u64::from(seconds <= bound);
        }
    }

    fn write(&self, text: &mut Text, family: &Family, labels: &Labels) {
        let labels: Vec<(&str, &str)> = labels
            .iter()
            .map(|(label, value)| (*label, value.as_str()))
            .collect();
        let name = family.name;
        if family.kind != Kind::Histogram {
            return text.sample(name, &labels, self.count);
        }
        let bounds = BUCKETS.iter().map(ToString::to_string);
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(self.buckets.iter().chain([&self.count])) {
            let labels = [&labels[..], &[("le", &bound)]].concat();
            text.sample(&format!("{name}_bucket"), &labels, count);
        }
        text.sample(&format!("{name}_sum"), &labels, self.sum);
        text.sample(&format!("{name}_count"), &labels, self.count);
    }
}

/// Records events with a name.
#[derive(Debug)]
pub struct MetricsLayer(Arc<Recorded>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for MetricsLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        event_fields::keep_span(attributes, id, &context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Some(fields) = event_fields::of_event(event, &context) {
            self.0.record(&fields);
        }
    }
}

#[cfg(test)]
mod tests {
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
                tracing::trace!(event = "allocate_ended", result, duration_us, "");
            }
            tracing::info!(event = "something_else", "");
        });
        let mut text = Text::new(Format::Prometheus);
        recorded.write(&mut text);
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
}
