//! A command's result in each format. A command that has a [`Document`] has them all.

use serde::Serialize;
use serde_json::Value;

use super::{Output, yaml};
use crate::cli::OutputFormat;
use sriovdp_sdk::Error;

/// The version of all documents. Within it, keys are only added; `docs/commands.md` has the promise.
const API_VERSION: &str = "sriovdp/v1";

/// The result of a command. Its serialization is the content of JSON and YAML, without a key that comes and goes.
pub(in crate::commands) trait Document: Serialize {
    /// The value of the key `kind`.
    const KIND: &'static str;

    /// Prints it for people.
    fn print(&self, output: &mut Output, columns: Columns);
}

/// The columns of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Columns {
    /// What fits most terminals.
    Main,
    /// All.
    All,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, D> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    document: &'a D,
}

impl Output {
    /// Prints a command's result.
    pub(in crate::commands) fn document<D: Document>(&mut self, document: &D) {
        match self.format {
            OutputFormat::Text => document.print(self, Columns::Main),
            OutputFormat::Wide => document.print(self, Columns::All),
            OutputFormat::Json => match to_value(document) {
                Ok(value) => self.json(&value),
                Err(error) => self.error(&error),
            },
            OutputFormat::Yaml => match to_value(document) {
                Ok(value) => self.raw(&yaml::to_yaml(&value)),
                Err(error) => self.error(&error),
            },
        }
    }
}

/// With its keys in the order of their names, as `kubectl` has it.
fn to_value<D: Document>(document: &D) -> Result<Value, Error> {
    let envelope = Envelope {
        api_version: API_VERSION,
        kind: D::KIND,
        document,
    };
    serde_json::to_value(envelope).map_err(|error| Error::from_std(&error))
}
