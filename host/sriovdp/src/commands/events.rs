//! `sriovdp events`: what changed on the node since a time, and why, as the running daemon remembers it.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sriovdp_report::{Escaped, count};

use super::Output;
use super::daemon::query;
use super::output::{Columns, Document};
use sriovdp_agent::observers::{Check, Request};

/// What the line of an event begins with, and what it ends with.
const FIRST: [&str; 3] = ["timestamp", "level", "event"];
const LAST: &str = "message";

/// The daemon's answer.
#[derive(Deserialize, Serialize)]
struct EventList {
    /// How many older events it has dropped.
    dropped: usize,
    #[serde(rename(deserialize = "events"))]
    items: Vec<Map<String, Value>>,
}

pub(super) async fn events(output: &mut Output, directory: &Path, since: Option<Duration>) {
    let request = Request {
        check: Check::Events,
        since: since.map(|since| since.as_secs()),
    };
    match query::<EventList>(directory, request).await {
        Ok(answer) => output.document(&answer),
        Err(error) => output.error(&error),
    }
}

impl Document for EventList {
    const KIND: &'static str = "EventList";

    fn print(&self, output: &mut Output, _: Columns) {
        if self.dropped > 0 {
            let dropped = count(self.dropped, "older event");
            let verb = if self.dropped == 1 { "is" } else { "are" };
            output.line(format_args!("{dropped} {verb} no longer kept"));
        }
        for event in &self.items {
            // A value may have line feeds.
            output.line(format_args!("{}", Escaped(&line(event))));
        }
    }
}

fn line(event: &Map<String, Value>) -> String {
    let [time, level, name] = FIRST.map(|field| text(event.get(field)));
    let mut line = format!("{time} {level:<5} {name}");
    let is_further = |name: &str| !FIRST.contains(&name) && name != LAST;
    for (name, value) in event.iter().filter(|(name, _)| is_further(name)) {
        line += &format!(" {name}={}", text(Some(value)));
    }
    let message = text(event.get(LAST));
    if !message.is_empty() {
        line += &format!(": {message}");
    }
    line
}

fn text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_has_time_level_name_fields_and_message() {
        let event = json!({
            "timestamp": "2026-11-28T20:50:11.482163Z", "level": "WARN", "event": "device_unhealthy",
            "resource": "intel.com/x", "devices": 2, "message": "a device is unhealthy",
        });
        let Value::Object(event) = event else {
            unreachable!()
        };
        assert_eq!(
            line(&event),
            "2026-11-28T20:50:11.482163Z WARN  device_unhealthy devices=2 resource=intel.com/x: a device is unhealthy"
        );
    }
}
