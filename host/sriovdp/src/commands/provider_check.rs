//! `sriovdp provider check`: vets a file as the daemon does, step by step.

use std::path::Path;

use serde::Serialize;

use super::Output;
use super::output::{Columns, Document};
use super::providers::Provider;
use sriovdp_providers::{Inspection, ProviderError, ProviderSettings, Step, inspect};
use sriovdp_report::inline;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProviderCheck {
    file: String,
    /// The steps that the file passed, in their order.
    passed: Vec<Step>,
    /// Why the next step refuses it.
    refused: Option<String>,
    /// What does not refuse it.
    warnings: Vec<String>,
    /// What it provides.
    provider: Option<Provider>,
    sha256: Option<String>,
    #[serde(skip)]
    is_provider_name: bool,
    duration_ms: Option<u128>,
}

pub(super) async fn check(output: &mut Output, file: &Path, settings: &ProviderSettings) {
    let inspected = inspect(file, settings).await;
    let failed = inspected.as_ref().err().map(ProviderError::step);
    let passed = Step::ALL
        .into_iter()
        .take_while(|step| Some(*step) != failed);
    let mut check = ProviderCheck {
        file: file.display().to_string(),
        passed: passed.collect(),
        refused: None,
        warnings: Vec::new(),
        provider: None,
        sha256: None,
        is_provider_name: true,
        duration_ms: None,
    };
    match inspected {
        Ok(inspected) => check.add(inspected),
        Err(reason) => {
            check.refused = Some(inline(&reason));
            output.fail();
        }
    }
    output.document(&check);
}

/// What a file that passes the step is.
fn description(step: Step) -> &'static str {
    match step {
        Step::PathTrust => "path: only trusted users can replace the file",
        Step::File => "file: a regular file that only trusted users can write to",
        Step::Elf => "ELF: a complete shared library for this machine",
        Step::Note => "note: built with a compatible SDK, and panics can be caught",
        Step::Digest => "digest: allowed",
        Step::Load => "load: a child process loads it",
        Step::Interface => "ABI: the layouts of both sides are equal",
        Step::Manifest => "manifest: valid, with a schema of the selectors",
        Step::Discovery => "discovery: returns on an empty node",
    }
}

impl ProviderCheck {
    fn add(&mut self, inspected: Inspection) {
        if let Some(error) = &inspected.discovery {
            let error = inline(error);
            let warning = format!("the discovery on an empty node failed: {error}");
            self.warnings.push(warning);
        }
        if !inspected.is_provider_name {
            self.is_provider_name = false;
            let warning = "the daemon does not read a file of this name: it has to end with `.so` and must not begin with `.`";
            self.warnings.push(warning.to_owned());
        }
        if !inspected.is_listed {
            let warning = "no list of digests (hint: see `--provider-digests`)";
            self.warnings.push(warning.to_owned());
        }
        let provider = Provider::new(&inspected.manifest, inspected.keys.into_iter());
        self.provider = Some(provider);
        self.sha256 = Some(inspected.digest.to_string());
        self.duration_ms = Some(inspected.took.as_millis());
    }
}

impl Document for ProviderCheck {
    const KIND: &'static str = "ProviderCheck";

    fn print(&self, output: &mut Output, _: Columns) {
        for &step in &self.passed {
            output.line(format_args!("ok       {}", description(step)));
        }
        if let Some(reason) = &self.refused {
            output.line(format_args!("refused  {reason}"));
        }
        for warning in &self.warnings {
            output.line(format_args!("warning  {warning}"));
        }
        if let Some(provider) = &self.provider {
            let verdict = match self.is_provider_name {
                true => "It would be loaded",
                false => "With another name it would be loaded",
            };
            output.line(format_args!("{verdict}: {}.", provider.title()));
            provider.print_details(output);
        }
        if let (Some(digest), Some(duration)) = (&self.sha256, self.duration_ms) {
            output.line(format_args!("    sha256: {digest}"));
            output.line(format_args!("    checked in {duration} ms"));
        }
    }
}
