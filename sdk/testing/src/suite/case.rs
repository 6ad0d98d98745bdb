//! A provider under test, and the nodes that it is tried on.

use super::stage::Stage;
use super::subject::Subject;
use super::{Violation, rules};
use sriovdp_sdk::Provider;

/// The arguments of [`conformance!`](crate::conformance!).
#[derive(Clone, Copy, Debug)]
pub struct Case {
    provider: fn() -> Result<Vec<Subject>, Violation>,
    node: &'static str,
    without_effect: &'static [&'static str],
    except: &'static [&'static str],
}

impl Case {
    /// A provider on the suite's node.
    pub fn of<P: Provider>() -> Self {
        Self {
            provider: Subject::each::<P>,
            node: "",
            without_effect: &[],
            except: &[],
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

    /// The same without these rules.
    #[must_use]
    pub fn except(self, rules: &'static [&'static str]) -> Self {
        Self {
            except: rules,
            ..self
        }
    }

    /// Whether the rule `name` is left out.
    pub(super) fn has_exception_from(&self, name: &str) -> Result<bool, Violation> {
        let mut excepted = self.except.iter();
        match excepted.find(|rule| rules::named(rule).is_none()) {
            Some(unknown) => Err(Violation::new(format!("the suite has no rule `{unknown}`"))),
            None => Ok(self.except.contains(&name)),
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
