//! Conditions that last are logged when they begin and when they change, and not with each reconcile.

use std::collections::BTreeMap;
use std::fmt::Display;

use tracing::Level;

/// The conditions of one reconcile.
#[derive(Debug, Default)]
pub(super) struct LogOnChange(Vec<Entry>);

/// What identifies a condition. It is logged again when one of these changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Condition {
    event: &'static str,
    resource: Option<String>,
    provider: Option<String>,
    device: Option<String>,
    path: Option<String>,
    summary: Option<String>,
    error: Option<String>,
    reason: Option<String>,
}

/// The conditions that are logged and still hold, each with the count that was logged.
#[derive(Debug, Default)]
pub(super) struct ActiveConditions(BTreeMap<Condition, usize>);

/// A condition, and how it is logged.
#[derive(Debug)]
pub(super) struct Entry {
    level: Level,
    message: &'static str,
    condition: Condition,
    /// A number that is logged again only when it has doubled.
    count: Option<usize>,
}

impl Entry {
    pub(super) fn error(event: &'static str, message: &'static str) -> Self {
        Self::new(Level::ERROR, event, message)
    }

    pub(super) fn warn(event: &'static str, message: &'static str) -> Self {
        Self::new(Level::WARN, event, message)
    }

    pub(super) fn info(event: &'static str, message: &'static str) -> Self {
        Self::new(Level::INFO, event, message)
    }

    fn new(level: Level, event: &'static str, message: &'static str) -> Self {
        Self {
            level,
            message,
            condition: Condition {
                event,
                resource: None,
                provider: None,
                device: None,
                path: None,
                summary: None,
                error: None,
                reason: None,
            },
            count: None,
        }
    }

    pub(super) fn resource(mut self, name: &impl Display) -> Self {
        self.condition.resource = Some(name.to_string());
        self
    }

    pub(super) fn provider(mut self, file: String) -> Self {
        self.condition.provider = Some(file);
        self
    }

    pub(super) fn device(mut self, id: &impl Display) -> Self {
        self.condition.device = Some(id.to_string());
        self
    }

    pub(super) fn path(mut self, path: impl Display) -> Self {
        self.condition.path = Some(path.to_string());
        self
    }

    pub(super) fn summary(mut self, summary: &str) -> Self {
        self.condition.summary = Some(summary.to_owned());
        self
    }

    /// The text of an error.
    pub(super) fn cause(mut self, error: impl Into<String>) -> Self {
        self.condition.error = Some(error.into());
        self
    }

    /// Why it is so, without an error.
    pub(super) fn reason(mut self, reason: impl Into<String>) -> Self {
        self.condition.reason = Some(reason.into());
        self
    }

    pub(super) fn count(mut self, count: usize) -> Self {
        self.count = Some(count);
        self
    }

    fn log(&self) {
        let Condition {
            event,
            resource,
            provider,
            device,
            path,
            summary,
            error,
            reason,
        } = &self.condition;
        macro_rules! log_at {
            ($level:ident) => {
                tracing::$level!(
                    event,
                    resource,
                    provider,
                    device,
                    path,
                    summary,
                    error,
                    reason,
                    count = self.count,
                    "{}",
                    self.message
                )
            };
        }
        match self.level {
            Level::ERROR => log_at!(error),
            Level::WARN => log_at!(warn),
            _ => log_at!(info),
        }
    }
}

impl LogOnChange {
    /// A condition that holds in this reconcile.
    pub(super) fn add(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    /// Logs the conditions that are not `active`, and those whose count has doubled since it was logged. Returns those that
    /// hold now.
    pub(super) fn flush(self, active: &ActiveConditions) -> ActiveConditions {
        let mut now = ActiveConditions::default();
        for entry in self.0 {
            let count = entry.count.unwrap_or_default();
            let logged = active.0.get(&entry.condition).copied();
            let is_due = logged.is_none_or(|logged| count > 1 && count >= 2 * logged);
            if is_due {
                entry.log();
            }
            let logged = logged.filter(|_| !is_due).unwrap_or(count);
            now.0.insert(entry.condition, logged);
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_logged_again_when_it_has_doubled() {
        let mut active = ActiveConditions::default();
        let mut logged = Vec::new();
        for count in [1, 1, 2, 3, 4, 7, 2, 8] {
            let mut log = LogOnChange::default();
            log.add(Entry::error("many", "").count(count));
            let before = active.0.values().next().copied();
            active = log.flush(&active);
            if active.0.values().next().copied() != before {
                logged.push(count);
            }
        }
        assert_eq!(logged, [1, 2, 4, 8]);
        assert!(LogOnChange::default().flush(&active).0.is_empty());
    }
}
