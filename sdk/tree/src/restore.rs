//! From a captured text that came from elsewhere to a directory, which nothing in it leaves.

use std::path::Path;
use std::{fs, io};

use super::entries::{Entries, Entry};
use super::state::State;
use super::{Limits, Problem, Statement, Tree, TreeError, parse, write};

/// Longer than any path of sysfs.
const LONGEST_PATH: usize = 1024;

/// Why a captured node is not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A line is no entry.
    #[error(transparent)]
    Text(#[from] TreeError),
    /// It is larger than the limits.
    #[error("it has more than {most} {what}")]
    TooLarge {
        /// The limit.
        most: usize,
        /// What it limits.
        what: &'static str,
    },
    /// A link leads out of the directory.
    #[error("its link `{link}` leads out of the node")]
    Outside {
        /// The link, as a path from the root.
        link: String,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes a node that [`capture`](crate::capture) read below `root`, an empty directory.
///
/// The text may come from a stranger: it can have entries only, within `limits`, and no link that leads out of `root`.
///
/// # Errors
///
/// When the text has anything else, or a file cannot be written. What was written until then stays.
pub fn restore(text: &str, root: &Path, limits: Limits) -> Result<(), RestoreError> {
    let too_large = |most, what| Err(RestoreError::TooLarge { most, what });
    if text.len() > limits.bytes {
        return too_large(limits.bytes, "bytes");
    }
    let mut tree = Tree {
        state: State::over(Entries::of_every_node()),
    };
    let mut directory = None;
    for (number, entry) in parse::entries(text).enumerate() {
        let (line, entry) = entry?;
        if number >= limits.files {
            return too_large(limits.files, "files");
        }
        let (Statement::Enter { path }
        | Statement::File { path, .. }
        | Statement::Link { path, .. }
        | Statement::Directory { path }
        | Statement::Word { word: path, .. }) = &entry;
        let length = path.len() + directory.as_ref().map_or(0, String::len);
        let expanded = match length > LONGEST_PATH {
            true => Err(Problem::Value {
                value: path.chars().take(40).collect(),
                kind: "path of a node: it is too long",
            }),
            false => tree.expand(entry, &mut directory),
        };
        expanded.map_err(|problem| TreeError { line, problem })?;
    }
    let entries = &tree.state.entries;
    write::write(entries, root, limits.files)?;
    let root = root.canonicalize()?;
    for (path, entry) in entries.iter() {
        let Entry::Link(target) = entry else { continue };
        // A link that leads nowhere leads nowhere else either.
        let real = fs::canonicalize(root.join(path.trim_start_matches('/')));
        if target.starts_with('/') || real.is_ok_and(|real| !real.starts_with(&root)) {
            return Err(RestoreError::Outside {
                link: path.to_owned(),
            });
        }
    }
    Ok(())
}
