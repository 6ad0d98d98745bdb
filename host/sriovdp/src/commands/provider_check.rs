//! `sriovdp provider check`: everything that the daemon checks before it loads a file, step by step.

use std::path::Path;

use super::Output;
use super::providers::brings;
use sriovdp_providers::{Inspection, ProviderError, ProviderSettings, Step, inspect};
use sriovdp_report::inline;

pub(super) async fn check(page: &mut Output, file: &Path, settings: &ProviderSettings) {
    let inspected = inspect(file, settings).await;
    let failed = inspected.as_ref().err().map(ProviderError::step);
    for step in Step::ALL
        .into_iter()
        .take_while(|step| Some(*step) != failed)
    {
        page.line(format_args!("ok       {}", words(step)));
    }
    match inspected {
        Ok(inspected) => tell(page, &inspected),
        Err(reason) => {
            page.line(format_args!("refused  {}", inline(&reason)));
            page.fail();
        }
    }
}

fn words(step: Step) -> &'static str {
    match step {
        Step::Place => "place: nobody else may put another file in its place",
        Step::File => "file: it is a regular file, and nobody else may write to it",
        Step::Elf => "ELF: it is whole, and a shared library for this machine",
        Step::Note => "note: built with a fitting SDK, and a panic in it can be caught",
        Step::Digest => "digest: it may be loaded",
        Step::Link => "link: a process of its own loads it and goes on",
        Step::Interface => "interface: the layouts of both sides are the same",
        Step::Manifest => "manifest: it says what it brings, with a schema of its selectors",
        Step::Discovery => "discovery: it comes back where there is nothing to find",
    }
}

fn tell(page: &mut Output, inspected: &Inspection) {
    let manifest = &inspected.manifest;
    if let Some(error) = &inspected.discovery {
        page.line(format_args!(
            "warning  where there is nothing, its discovery fails: {}",
            inline(error)
        ));
    }
    if !inspected.is_listed {
        page.line(format_args!(
            "warning  no list of digests was given (hint: see `--provider-digests`)"
        ));
    }
    page.line(format_args!(
        "It would be loaded: {} ({} {}, SDK {}).",
        brings(manifest),
        manifest.package,
        manifest.version,
        inspected.note.sdk
    ));
    page.line(format_args!("    {}", manifest.summary));
    page.line(format_args!("    selectors: {}", inspected.keys.join(", ")));
    page.line(format_args!("    sha256: {}", inspected.digest));
    page.line(format_args!(
        "    checked in {} ms",
        inspected.took.as_millis()
    ));
}
