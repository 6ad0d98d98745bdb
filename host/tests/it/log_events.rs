//! docs/logging.md lists the events of the host's sources, all of them and no others.

use std::collections::BTreeSet;

use crate::repository::{HOST, files, text, without_tests};

/// Conditions of a reconcile are logged by one macro call, with the event of an `Entry`.
const ENTRIES: [&str; 3] = ["Entry::error(", "Entry::warn(", "Entry::info("];

/// The production code of the host, by file.
fn sources() -> Vec<(String, String)> {
    let files = HOST.iter().flat_map(|directory| files(directory, "rs"));
    let code = files.filter(|file| !file.ends_with("tests.rs") && !file.contains("/tests/"));
    code.map(|file| {
        let whole = text(&file);
        let code = without_tests(&whole);
        (file, code.to_owned())
    })
    .collect()
}

/// What follows each occurrence of `start`.
fn after<'a>(code: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(start)
        .map(move |(at, _)| &code[at + start.len()..])
}

#[test]
fn table_has_the_events_of_the_sources() {
    let mut logged = BTreeSet::new();
    for (_, code) in sources() {
        let entries = ENTRIES.iter().flat_map(|start| after(&code, start));
        let entries = entries.filter_map(|rest| rest.trim_start().strip_prefix('"'));
        for name in entries.chain(after(&code, "event = \"")) {
            logged.insert(name.split('"').next().unwrap_or_default().to_owned());
        }
    }
    let document = text("docs/logging.md");
    let (_, table) = document.split_once("| event | level |").expect("a table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let once: BTreeSet<String> = documented.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(documented.len(), once.len(), "an event has two rows");
    let missing: Vec<&String> = logged.difference(&once).collect();
    let surplus: Vec<&String> = once.difference(&logged).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "docs/logging.md lacks the events {missing:?}, and has {surplus:?} that nothing logs"
    );
}

#[test]
fn every_log_call_has_an_event() {
    let mut without = Vec::new();
    for (file, code) in sources() {
        for level in ["error", "warn", "info", "debug", "trace"] {
            for rest in after(&code, &format!("tracing::{level}!(")) {
                // A target may come first.
                let fields = rest.trim_start();
                let target = ["target: METRICS_TARGET,", "target: TRACE_TARGET,"];
                let fields = target
                    .iter()
                    .find_map(|target| fields.strip_prefix(target))
                    .unwrap_or(fields);
                if !fields.trim_start().starts_with("event") {
                    let call: String = rest.chars().take(60).collect();
                    without.push(format!("{file}: {level}!({call}"));
                }
            }
            // The macros are called by their path, which the search above relies on.
            let imported = format!("use tracing::{level};");
            assert!(!code.contains(&imported), "{file}: `{imported}`");
        }
    }
    assert!(without.is_empty(), "\n{}", without.join("\n"));
}
