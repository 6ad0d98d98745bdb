//! The section of a provider in the configuration.

use serde_json::json;

use crate::suite::subject::with_causes;
use crate::suite::{Case, Violation, values};

/// An empty section is as good as none, and no section that the schema allows causes a panic.
///
/// # Errors
///
/// The section with which something else happens.
pub(super) fn settings(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        let Some(schema) = subject.manifest.settings.clone() else {
            return Ok(());
        };
        subject.discover_all(stage)?;
        let without = json!(subject.found);
        let empty = json!({});
        if let Err(error) = subject.check_settings(&empty)? {
            return Err(Violation::new(format!(
                "an empty section of the configuration is refused: {}",
                with_causes(&error)
            )));
        }
        subject.settings = Some(empty);
        subject.discover_all(stage)?;
        if json!(subject.found) != without {
            return Err(Violation::new(format!(
                "with an empty section of the configuration the discovery finds {}, and without a section {without}",
                json!(subject.found)
            )));
        }
        for section in values::of(&schema, stage) {
            if subject.check_settings(&section)?.is_err() {
                continue;
            }
            subject.settings = Some(section);
            let section = subject.settings.clone().unwrap_or_default();
            let _found_or_refused = subject
                .discover(stage)
                .map_err(|violation| violation.on(format!("with the section {section}")))?;
        }
        Ok(())
    })
}
