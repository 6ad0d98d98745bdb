//! Counters and histograms, recorded from the events of the log.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Where `resource` is the first label: the values of the others with which each resource has a series from the begin.
    initial: &'static [&'static [&'static str]],
}

/// The label whose series exist while the resource does.
const RESOURCE: &str = "resource";

const fn rule(event: &'static str, family: Family, labels: &'static [&'static str]) -> Rule {
    Rule {
        event,
        family,
        labels,
        initial: &[],
    }
}

/// A rule with the label `resource`, and the values of the further ones.
const fn rule_of_resources(
    event: &'static str,
    family: Family,
    labels: &'static [&'static str],
    initial: &'static [&'static [&'static str]],
) -> Rule {
    Rule {
        event,
        family,
        labels,
        initial,
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
    rule_of_resources(
        "allocate_ended",
        counter(
            "sriovdp_allocations_total",
            "Calls of Allocate, by their result.",
        ),
        &[RESOURCE, "result"],
        &[&["ok"], &["error"]],
    ),
    rule(
        "allocate_ended",
        histogram(
            "sriovdp_allocation_duration_seconds",
            "The time that calls of Allocate take.",
        ),
        &[],
    ),
    rule_of_resources(
        "registered",
        counter(
            "sriovdp_registrations_total",
            "Registrations with the kubelet.",
        ),
        &[RESOURCE],
        &[&[]],
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

    /// Writes all series. Of `resources`, which are the present ones, each has its series; others have none, and once all
    /// are known theirs are dropped.
    pub(super) fn write(&self, text: &mut Text, resources: Option<&BTreeSet<String>>) {
        let mut families = self.families();
        if let Some(resources) = resources {
            for rule in RULES.iter().filter(|rule| !rule.initial.is_empty()) {
                let series = families.entry(rule.family.name).or_default();
                series.retain(|labels, _| {
                    let resource = labels.first().map(|(_, value)| value);
                    resource.is_some_and(|value| resources.contains(value))
                });
                for (resource, others) in resources
                    .iter()
                    .flat_map(|resource| rule.initial.iter().map(move |others| (resource, others)))
                {
                    let values = [&[resource.as_str()][..], others].concat();
                    let labels = rule.labels.iter().copied();
                    let labels = labels.zip(values.into_iter().map(str::to_owned));
                    series.entry(labels.collect()).or_default();
                }
            }
        }
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
mod tests;
