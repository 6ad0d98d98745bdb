//! The fields of an event of the log with those of its spans, for the layers that keep events.

use std::fmt::Debug;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The name of the field with the event's name.
pub(crate) const EVENT_FIELD: &str = "event";

/// Names and values. A pool keeps those of its span for as long as it exists, so this is no map, whose first node has room
/// for eleven.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

/// Keeps the fields of a new span for [`of_event`].
pub(crate) fn keep_span<S>(attributes: &Attributes<'_>, id: &Id, context: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if let Some(span) = context.span(id) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        fields.0.shrink_to_fit();
        // Each layer does this, with equal fields.
        span.extensions_mut().replace(fields);
    }
}

/// The fields of an event, and those of its spans that it does not have itself; nothing for an event without a name.
pub(crate) fn of_event<S>(event: &Event<'_>, context: &Context<'_, S>) -> Option<Map<String, Value>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut fields = Fields::default();
    event.record(&mut fields);
    let names = fields.0.into_iter();
    let mut fields: Map<String, Value> = names.map(|(name, value)| (name.into(), value)).collect();
    if !fields.contains_key(EVENT_FIELD) {
        return None;
    }
    for span in context.event_scope(event).into_iter().flatten() {
        if let Some(Fields(of_span)) = span.extensions().get::<Fields>() {
            for (name, value) in of_span {
                fields.entry(*name).or_insert_with(|| value.clone());
            }
        }
    }
    Some(fields)
}

impl Fields {
    fn record(&mut self, field: &Field, value: Value) {
        self.0.push((field.name(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value.into());
    }
}
