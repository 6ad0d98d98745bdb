//! A provider under test, and the nodes that it is tried on.

use super::Violation;
use super::stage::Stage;
use super::subject::Subject;
use sriovdp_sdk::Provider;

/// The arguments of [`conformance!`](crate::conformance!).
#[derive(Clone, Copy, Debug)]
pub struct Case {
    provider: fn() -> Result<Vec<Subject>, Violation>,
    node: &'static str,
    without_effect: &'static [&'static str],
}

impl Case {
    /// A provider on the suite's node.
    pub fn of<P: Provider>() -> Self {
        Self {
            provider: Subject::each::<P>,
            node: "",
            without_effect: &[],
        }
    }

    /// The same on a second node, with devices of the provider, in the language of trees.
    #[must_use]
    pub fn on(self, node: &'static str) -> Self {
        Self { node, ..self }
    }

    /// The same, where these selector keys may be declared and change nothing.
    #[must_use]
    pub fn without_effect(self, keys: &'static [&'static str]) -> Self {
        Self {
            without_effect: keys,
            ..self
        }
    }

    pub(super) fn may_be_without_effect(&self, key: &str) -> bool {
        self.without_effect.contains(&key)
    }

    /// New providers, one for each device type that the provider owns or extends.
    pub(super) fn subjects(&self) -> Result<Vec<Subject>, Violation> {
        (self.provider)()
    }

    pub(super) fn stages(&self) -> Result<Vec<Stage>, Violation> {
        Stage::all(self.node)
    }

    /// A node with `count` functions: those of the author's node, or of the suite's without one.
    pub(super) fn crowded(&self, count: usize) -> Result<Stage, Violation> {
        Stage::crowded(self.node, count)
    }

    /// Tries `rule` with a new provider on each new node, and names the node of a violation.
    pub(super) fn on_each_node(
        &self,
        mut rule: impl FnMut(&mut Subject, &Stage) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        for stage in &self.stages()? {
            for mut subject in self.subjects()? {
                rule(&mut subject, stage).map_err(|violation| violation.on(stage))?;
            }
        }
        Ok(())
    }
}
