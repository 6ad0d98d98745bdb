//! The interface as a text, so that no change of it goes unnoticed.
//!
//! `interface.txt` is what it is now; `interface-1.0.txt` is what it was first, of which every line holds for all of
//! 1.x. `UPDATE_EXPECT=1 cargo test -p sriovdp-provider-abi snapshot` writes the former anew; the latter is never written again.

mod messages;

use std::collections::BTreeSet;

use abi_stable::StableAbi;
use abi_stable::abi_stability::PrefixStableAbi;
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::type_layout::TypeLayout;
use expect_test::expect_file;

use crate::{HostFunctions, NOTE_NAME, NOTE_SECTION, Note, ProviderModule};

/// What a library exports, behind the reference by which it is exported.
const ROOT_MODULE: &TypeLayout =
    <<ProviderModule as PrefixTypeTrait>::PrefixFields as PrefixStableAbi>::LAYOUT;
const FIRST: &str = include_str!("interface-1.0.txt");

fn interface() -> String {
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    layouts(ROOT_MODULE, &mut seen, &mut lines);
    layouts(<HostFunctions as StableAbi>::LAYOUT, &mut seen, &mut lines);
    note(&mut lines);
    messages::all(&mut lines);
    lines.join("\n") + "\n"
}

/// The types of this crate behind `layout`, a line for each field.
fn layouts(layout: &'static TypeLayout, seen: &mut BTreeSet<String>, lines: &mut Vec<String>) {
    let name = layout.full_type().to_string();
    let is_ours = layout.package().as_str() == env!("CARGO_PKG_NAME");
    if !seen.insert(name.clone()) {
        return;
    }
    if is_ours {
        let (size, alignment) = (layout.size(), layout.alignment());
        lines.push(format!(
            "layout {name}: {size} bytes, aligned to {alignment}"
        ));
    }
    for (n, field) in layout.get_fields().into_iter().flatten().enumerate() {
        // The text of a function has several lines, of which the first has its arguments and its result.
        let functions = field.function_range().iter();
        let function: Option<String> = functions
            .map(|function| function.to_string())
            .find_map(|text| text.lines().next().map(str::to_owned));
        let kind = function.unwrap_or_else(|| field.full_type().to_string());
        if is_ours {
            lines.push(format!(
                "layout {name}: field {n} is {}: {kind}",
                field.name()
            ));
        }
        layouts(field.layout(), seen, lines);
    }
}

fn note(lines: &mut Vec<String>) {
    let note = Note::new("SDK_VERSION", "PACKAGE", "PACKAGE_VERSION");
    let bytes = size_of_val(&note);
    lines.push(format!(
        "note: section {NOTE_SECTION}, owner {}, {bytes} bytes",
        NOTE_NAME.escape_ascii()
    ));
    for line in note.lines() {
        lines.push(format!("note: {line}"));
    }
}

#[test]
fn the_interface_is_what_is_recorded() {
    expect_file!["interface.txt"].assert_eq(&interface());
}

#[test]
fn the_first_interface_is_a_part_of_it() {
    let now = interface();
    let now: BTreeSet<&str> = now.lines().collect();
    let lost: Vec<&str> = FIRST.lines().filter(|line| !now.contains(line)).collect();
    assert!(
        lost.is_empty(),
        "interface 1.0 is frozen for 1.x, and this of it is no longer so:\n{}",
        lost.join("\n")
    );
}

#[test]
fn the_record_has_every_method_and_message() {
    let wire = [
        include_str!("../wire.rs"),
        include_str!("../wire/allocate.rs"),
        include_str!("../wire/devlink.rs"),
        include_str!("../wire/explained.rs"),
        include_str!("../wire/function.rs"),
    ]
    .concat();
    let now = interface();
    for line in wire.lines().map(str::trim) {
        let method = line
            .strip_prefix("pub const ")
            .and_then(|rest| rest.split(':').next());
        let message = line
            .strip_prefix("pub struct ")
            .and_then(|rest| rest.split(' ').next());
        let expected = match (method, message) {
            (Some(method), _) => format!("method {method} = "),
            // A part of the queries.
            (_, Some("DevlinkHandle")) | (None, None) => continue,
            (_, Some(message)) => format!("message {message}: "),
        };
        assert!(now.contains(&expected), "the record lacks `{expected}`");
    }
}
