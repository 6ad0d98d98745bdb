//! An allocation is a query: the host also makes it without a pod.

use std::collections::BTreeMap;
use std::fs::{Metadata, symlink_metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sriovdp_sdk::Provider;

use super::allocated::for_each_match;
use crate::suite::Violation;
use crate::suite::stage::{Stage, entries};
use crate::suite::subject::{Subject, with_causes};

/// No allocation changes a file below the root, and a second one is equal to the first.
///
/// # Errors
///
/// The allocation that changes something, or differs.
pub fn unchanging<P: Provider>(author: &str) -> Result<(), Violation> {
    for stage in &Stage::all(author)? {
        for mut subject in Subject::<P>::each()? {
            subject.discover_all(stage)?;
            let before = state(stage.root());
            for_each_match(&subject, |selectors, id| {
                let first = allocate(&subject, selectors, id)?;
                let second = allocate(&subject, selectors, id)?;
                if first == second {
                    return Ok(());
                }
                Err(Violation::new(format!(
                    "a second allocation is {second}, and the first was {first}"
                )))
            })?;
            let after = state(stage.root());
            let paths = before.keys().chain(after.keys());
            let mut changed = paths.filter(|&path| before.get(path) != after.get(path));
            if let Some(path) = changed.next() {
                let path = path.strip_prefix(stage.root()).unwrap_or(path);
                return Err(Violation::new(format!(
                    "`allocate` changes `/{}`; it is also called without a pod, to write CDI specifications",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

fn allocate<P: Provider>(
    subject: &Subject<P>,
    selectors: &Value,
    id: &str,
) -> Result<Value, Violation> {
    Ok(match subject.allocate(selectors, id)? {
        Ok(allocation) => serde_json::to_value(allocation).unwrap_or_default(),
        Err(error) => with_causes(&error).into(),
    })
}

/// When each file, link and directory changed last.
fn state(root: &Path) -> BTreeMap<PathBuf, Option<Changed>> {
    let changed = |path: PathBuf| {
        let metadata = symlink_metadata(&path).ok();
        (path, metadata.map(|metadata| Changed::of(&metadata)))
    };
    entries(root).into_iter().map(changed).collect()
}

/// Writing to a file, and renaming, creating and removing one in a directory, set this time.
#[derive(PartialEq)]
struct Changed {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
    bytes: u64,
}

impl Changed {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            seconds: metadata.ctime(),
            nanoseconds: metadata.ctime_nsec(),
            bytes: metadata.len(),
        }
    }
}
