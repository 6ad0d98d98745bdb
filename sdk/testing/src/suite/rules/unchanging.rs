//! No call changes the node, and an allocation is a query: the host also makes it without a pod.

use std::collections::BTreeMap;
use std::fs::{self, Metadata, symlink_metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::allocated::{Match, for_each_match};
use crate::suite::stage::{Stage, entries};
use crate::suite::subject::{Subject, with_causes};
use crate::suite::{Case, Violation};

/// No call changes a file below the root, and a second allocation is equal to the first.
///
/// # Errors
///
/// The call that changes something, or the allocation that differs.
pub(super) fn unchanging(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        let before = state(stage.root());
        subject.discover_all(stage)?;
        unchanged(
            stage,
            &before,
            "`discover`",
            "a node is read and never written",
        )?;
        for id in subject.ids() {
            let _explained = subject.explain(&json!({}), &id)?;
        }
        let _selected = subject.select(&json!({}))?;
        unchanged(
            stage,
            &before,
            "`matches`",
            "it is a function of its arguments alone",
        )?;
        for_each_match(subject, |matched| {
            let first = allocate(subject, matched)?;
            let second = allocate(subject, matched)?;
            if first == second {
                return Ok(());
            }
            Err(Violation::new(format!(
                "a second allocation is {second}, and the first was {first}"
            )))
        })?;
        unchanged(
            stage,
            &before,
            "`allocate`",
            "it is also called without a pod, to write CDI specifications",
        )
    })
}

fn unchanged(
    stage: &Stage,
    before: &BTreeMap<PathBuf, State>,
    call: &str,
    because: &str,
) -> Result<(), Violation> {
    let after = state(stage.root());
    let paths = before.keys().chain(after.keys());
    let mut changed = paths.filter(|&path| before.get(path) != after.get(path));
    let Some(path) = changed.next() else {
        return Ok(());
    };
    let path = path.strip_prefix(stage.root()).unwrap_or(path);
    Err(Violation::new(format!(
        "{call} changes `/{}`; {because}",
        path.display()
    )))
}

fn allocate(subject: &Subject, matched: &Match<'_>) -> Result<Value, Violation> {
    Ok(match subject.allocate(matched.selectors, matched.id)? {
        Ok(allocation) => serde_json::to_value(allocation).unwrap_or_default(),
        Err(error) => with_causes(&error).into(),
    })
}

/// What each file, link and directory is, and when it changed.
fn state(root: &Path) -> BTreeMap<PathBuf, State> {
    let state = |path: PathBuf| {
        let metadata = symlink_metadata(&path).ok()?;
        let state = State::of(&path, &metadata);
        Some((path, state))
    };
    entries(root).into_iter().filter_map(state).collect()
}

/// Writing to a file, and renaming, creating and removing one in a directory, set the time; two writes within the
/// resolution of the clock have the same.
#[derive(PartialEq)]
struct State {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
    bytes: u64,
    contents: Option<Vec<u8>>,
}

impl State {
    fn of(path: &Path, metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            seconds: metadata.ctime(),
            nanoseconds: metadata.ctime_nsec(),
            bytes: metadata.len(),
            contents: metadata.is_file().then(|| fs::read(path).ok()).flatten(),
        }
    }
}
