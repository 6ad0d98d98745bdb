//! `sriovdp provider check`: vets a file as the daemon does, step by step.

use std::path::Path;

use super::Output;
use super::providers::role;
use sriovdp_providers::{Inspection, ProviderError, ProviderSettings, Step, inspect};
use sriovdp_report::inline;

pub(super) async fn check(output: &mut Output, file: &Path, settings: &ProviderSettings) {
    let inspected = inspect(file, settings).await;
    let failed = inspected.as_ref().err().map(ProviderError::step);
    for step in Step::ALL
        .into_iter()
        .take_while(|step| Some(*step) != failed)
    {
        output.line(format_args!("ok       {}", description(step)));
    }
    match inspected {
        Ok(inspected) => print(output, &inspected),
        Err(reason) => {
            output.line(format_args!("refused  {}", inline(&reason)));
            output.fail();
        }
    }
}

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

fn print(output: &mut Output, inspected: &Inspection) {
    let manifest = &inspected.manifest;
    if let Some(error) = &inspected.discovery {
        output.line(format_args!(
            "warning  the discovery on an empty node failed: {}",
            inline(error)
        ));
    }
    if !inspected.is_listed {
        output.line(format_args!(
            "warning  no list of digests (hint: see `--provider-digests`)"
        ));
    }
    output.line(format_args!(
        "It would be loaded: {} ({} {}, SDK {}).",
        role(manifest),
        manifest.package,
        manifest.version,
        inspected.note.sdk
    ));
    output.line(format_args!("    {}", manifest.summary));
    output.line(format_args!("    selectors: {}", inspected.keys.join(", ")));
    output.line(format_args!("    sha256: {}", inspected.digest));
    output.line(format_args!(
        "    checked in {} ms",
        inspected.took.as_millis()
    ));
}
