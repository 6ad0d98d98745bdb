//! From a captured text that came from elsewhere to a directory, which nothing in it leaves.

use std::io;
use std::path::Path;

use super::entries::{Entries, LONGEST_PATH};
use super::state::State;
use super::{Limits, Statement, Tree, TreeError, parse, write};

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
    /// A link leads out of the directory, or through so many others that it may.
    #[error("its link `{link}` leads out of the node")]
    Outside {
        /// The link, as a path from the root.
        link: String,
    },
    /// A file cannot be written, or would be below a link.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes a node that [`capture`](crate::capture) read below `root`, an empty directory.
///
/// The text may come from a stranger: it can have entries only, within `limits`, no link that leads out of `root`, and
/// no entry below a link.
///
/// # Errors
///
/// When the text has anything else: nothing is written then, unless it has too many directories. When a file cannot be
/// written. What was written until then stays.
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
        let expanded = match &entry {
            _ if length > LONGEST_PATH => Err(parse::too_long(path)),
            Statement::Link { target, .. } if target.len() > LONGEST_PATH => {
                Err(parse::too_long(target))
            }
            _ => tree.expand(entry, &mut directory),
        };
        expanded.map_err(|problem| TreeError { line, problem })?;
    }
    let entries = &tree.state.entries;
    if let Some(link) = entries.link_outside() {
        let link = link.to_owned();
        return Err(RestoreError::Outside { link });
    }
    write::write(entries, root, limits.files)?;
    Ok(())
}
