//! The daemon's log as records, which tests query by event and fields: the wording of messages is free.

use std::fmt::Display;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Daemon, TIMEOUT};

/// One line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Record(Map<String, Value>);

impl Record {
    fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok().map(Self)
    }

    /// A field of the event or its spans: a string without quotes, anything else as JSON, and an absent field as nothing.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.0.get(name) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }

    /// `MESSAGE resource=R FIELD=VALUE ...`
    fn line(&self) -> String {
        let mut line = format!("{} {}", self.text("level"), self.text("message"));
        let shown =
            |name: &&str| !["timestamp", "level", "target", "message", "event"].contains(name);
        let mut names: Vec<&str> = self.0.keys().map(|name| &**name).filter(shown).collect();
        names.sort_by_key(|name| *name != "resource");
        for name in names {
            line.push_str(&format!(" {name}={}", self.text(name)));
        }
        line
    }
}

/// What records are wanted. Awaited, it is the first record that matches, or with [`Query::times`] the last of so many.
pub(crate) struct Query<'a> {
    daemon: &'a Daemon,
    event: &'a str,
    conditions: Vec<Condition<'a>>,
    times: usize,
}

struct Condition<'a> {
    field: &'a str,
    text: String,
    is_part: bool,
}

impl<'a> Query<'a> {
    pub(super) fn new(daemon: &'a Daemon, event: &'a str) -> Self {
        Self {
            daemon,
            event,
            conditions: Vec::new(),
            times: 1,
        }
    }

    /// Only records in which a field has this value.
    pub(crate) fn with(mut self, field: &'a str, value: impl Display) -> Self {
        self.conditions.push(Condition {
            field,
            text: value.to_string(),
            is_part: false,
        });
        self
    }

    /// Only records in which a field contains this text, such as a part of an error.
    pub(crate) fn containing(mut self, field: &'a str, part: impl Display) -> Self {
        self.conditions.push(Condition {
            field,
            text: part.to_string(),
            is_part: true,
        });
        self
    }

    /// So many records at least.
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// The records that are in the log now.
    pub(crate) fn now(&self) -> Vec<Record> {
        let log = self.daemon.raw_log();
        let records = log.lines().filter_map(Record::parse);
        records.filter(|record| self.matches(record)).collect()
    }

    fn matches(&self, record: &Record) -> bool {
        record.text("event") == self.event
            && self.conditions.iter().all(|condition| {
                let value = record.text(condition.field);
                if condition.is_part {
                    value.contains(&condition.text)
                } else {
                    value == condition.text
                }
            })
    }
}

impl Display for Query<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x `{}`", self.times, self.event)?;
        for Condition {
            field,
            text,
            is_part,
        } in &self.conditions
        {
            let relation = if *is_part { "contains" } else { "=" };
            write!(f, ", `{field}` {relation} `{text}`")?;
        }
        Ok(())
    }
}

impl<'a> IntoFuture for Query<'a> {
    type Output = Record;
    type IntoFuture = Pin<Box<dyn Future<Output = Record> + 'a>>;

    /// A wait without success ends in a panic with the whole log.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let found = poll(|| self.now().into_iter().nth(self.times - 1));
            match tokio::time::timeout(TIMEOUT, found).await {
                Ok(record) => record,
                Err(_) => panic!("{self} is not logged:\n{}", self.daemon.raw_log()),
            }
        })
    }
}

/// Repeats `attempt` until it succeeds.
async fn poll<T>(attempt: impl Fn() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    loop {
        ticks.tick().await;
        if let Some(found) = attempt() {
            return found;
        }
    }
}

/// The log as lines of text.
pub(super) fn text(log: &str) -> String {
    let lines = log
        .lines()
        .map(|line| Record::parse(line).map_or_else(|| line.to_owned(), |record| record.line()));
    lines.fold(String::new(), |text, line| text + &line + "\n")
}
