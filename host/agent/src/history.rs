//! The events of the log that the daemon remembers, for `sriovdp events`: what changed, when and why.
//!
//! A restart of the plugin or a rotation of the log loses what the question "why are there fewer devices than yesterday"
//! needs. The history is a layer of the log, so it has the same events with the same fields.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime as Clock};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::event_fields;

/// The most events that are kept.
const MAX_EVENTS: usize = 2000;
/// The most bytes that their JSON takes.
const MAX_BYTES: usize = 384 << 10;

/// The event of a provider's own messages.
const PROVIDER_LOG: &str = "provider_log";

/// The newest events, bounded in number and size.
#[derive(Debug, Default)]
pub struct History(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Remembered>,
    bytes: usize,
    /// How many older ones were dropped.
    dropped: u64,
}

#[derive(Debug)]
struct Remembered {
    at: SystemTime,
    /// The object that the log has in its JSON format, but for `target`.
    json: Box<str>,
}

impl History {
    /// The layer that records events; the caller filters them by level and target.
    pub fn layer(self: &Arc<Self>) -> HistoryLayer {
        HistoryLayer(Arc::clone(self))
    }

    /// One JSON object: the events of the time `since`, or all of them, the oldest first, and how many older ones were
    /// dropped.
    pub fn to_json(&self, since: Option<Duration>) -> String {
        let ring = self.ring();
        let begin = since.and_then(|since| SystemTime::now().checked_sub(since));
        let events = ring.events.iter();
        let events = events.filter(|event| begin.is_none_or(|begin| event.at >= begin));
        let events: Vec<&str> = events.map(|event| &*event.json).collect();
        format!(
            r#"{{"dropped":{},"events":[{}]}}"#,
            ring.dropped,
            events.join(",")
        )
    }

    fn record(&self, event: Remembered) {
        let mut ring = self.ring();
        ring.bytes += event.json.len();
        ring.events.push_back(event);
        while ring.events.len() > MAX_EVENTS || ring.bytes > MAX_BYTES {
            let Some(oldest) = ring.events.pop_front() else {
                return;
            };
            ring.bytes -= oldest.json.len();
            ring.dropped += 1;
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records events with a name into a [`History`].
#[derive(Debug)]
pub struct HistoryLayer(Arc<History>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for HistoryLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        event_fields::keep_span(attributes, id, &context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(mut fields) = event_fields::of_event(event, &context) else {
            return;
        };
        let mut timestamp = String::new();
        if Clock.format_time(&mut Writer::new(&mut timestamp)).is_ok() {
            fields.insert("timestamp".to_owned(), timestamp.into());
        }
        let level = event.metadata().level().as_str();
        fields.insert("level".to_owned(), level.into());
        // A provider may log a line for each device, and would leave no room for what the history is for.
        if fields[event_fields::EVENT_FIELD] == PROVIDER_LOG
            && *event.metadata().level() > Level::WARN
        {
            return;
        }
        self.0.record(Remembered {
            at: SystemTime::now(),
            json: Value::Object(fields).to_string().into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn recorded(log: impl FnOnce()) -> (Arc<History>, Value) {
        let history = Arc::new(History::default());
        let subscriber = tracing_subscriber::registry().with(history.layer());
        tracing::subscriber::with_default(subscriber, log);
        let json = serde_json::from_str(&history.to_json(None)).unwrap();
        (history, json)
    }

    #[test]
    fn events_have_the_fields_of_the_log() {
        let (history, mut json) = recorded(|| {
            tracing::info!("an event without a name");
            let _pool = tracing::info_span!("pool", resource = "intel.com/x").entered();
            tracing::warn!(event = "refused", devices = 2, error = %"a \"b\"", "a message");
        });
        assert!(json["events"][0]["timestamp"].take().is_string());
        assert_eq!(
            json,
            json!({"dropped": 0, "events": [{
                "timestamp": null, "level": "WARN", "event": "refused", "message": "a message",
                "resource": "intel.com/x", "devices": 2, "error": "a \"b\"",
            }]})
        );
        let none = history.to_json(Some(Duration::ZERO));
        assert_eq!(none, r#"{"dropped":0,"events":[]}"#);
        let all = history.to_json(Some(Duration::MAX));
        assert_eq!(all, history.to_json(None));
    }

    #[test]
    fn the_oldest_events_are_dropped() {
        let long = "x".repeat(1000);
        let (history, json) = recorded(|| {
            for n in 0..5000 {
                tracing::info!(event = "flood", n, text = long, "");
            }
        });
        let events = json["events"].as_array().unwrap();
        assert_eq!(events.last().unwrap()["n"], 4999);
        assert_eq!(json["dropped"], 5000 - events.len());
        assert!(history.ring().bytes <= MAX_BYTES);
        let (_, json) = recorded(|| (0..5000).for_each(|n| tracing::info!(event = "flood", n)));
        assert!(json["events"].as_array().unwrap().len() <= MAX_EVENTS);
    }
}
