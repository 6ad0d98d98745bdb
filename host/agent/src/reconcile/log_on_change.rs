//! What a look has to say. What was said before and still holds is not said again.

use std::collections::BTreeSet;

use tracing::Level;

/// The sentences of one look.
#[derive(Debug, Default)]
pub(super) struct LogOnChange(Vec<(Level, String)>);

impl LogOnChange {
    pub(super) fn error(&mut self, text: String) {
        self.0.push((Level::ERROR, text));
    }

    pub(super) fn warn(&mut self, text: String) {
        self.0.push((Level::WARN, text));
    }

    pub(super) fn info(&mut self, text: String) {
        self.0.push((Level::INFO, text));
    }

    /// Logs what is not among `told`, and returns everything that holds now.
    pub(super) fn say(self, told: &BTreeSet<String>) -> BTreeSet<String> {
        for (level, text) in self.0.iter().filter(|(_, text)| !told.contains(text)) {
            match *level {
                Level::ERROR => tracing::error!("{text}"),
                Level::WARN => tracing::warn!("{text}"),
                _ => tracing::info!("{text}"),
            }
        }
        self.0.into_iter().map(|(_, text)| text).collect()
    }
}
