//! A node under description.

use std::collections::HashSet;

use super::entries::{Entries, LONGEST_PATH};
use super::error::Problem;
use super::parse;

/// The entries so far, and what the words have to remember beside them.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) entries: Entries,
    /// PFs whose `sriov_numvfs` the text fixed, so that no VF counts.
    pub(super) fixed_vfs: HashSet<String>,
    /// Set by the first netdev.
    pub(super) next_ifindex: Option<u32>,
}

impl State {
    pub(super) fn over(entries: Entries) -> Self {
        Self {
            entries,
            fixed_vfs: HashSet::new(),
            next_ifindex: None,
        }
    }

    /// The path of an entry: from the root, or in the directory that was entered last.
    pub(super) fn entry(&self, directory: Option<&str>, path: String) -> Result<String, Problem> {
        if path.starts_with(['/', '@']) {
            return self.place(&path);
        }
        match directory {
            Some(directory) => self.place(&format!("{directory}/{path}")),
            None => Err(Problem::NoDirectory { entry: path }),
        }
    }

    /// The real path behind one that the text uses: `@NAME`, relative to `/sys`, or through links.
    pub(super) fn place(&self, path: &str) -> Result<String, Problem> {
        let named = path.starts_with('@');
        let path = parse::name(path)?;
        let full = match path.strip_prefix('@').filter(|_| named) {
            Some(rest) => {
                let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
                format!("{}/{below}", self.device(name)?)
            }
            None if path.starts_with('/') => path,
            None => format!("/sys/{path}"),
        };
        let real = self.entries.real_path(&full);
        match real.len() > LONGEST_PATH {
            true => Err(parse::too_long(&real)),
            false => Ok(real),
        }
    }

    /// The directory of a device that is on a bus.
    pub(super) fn device(&self, name: &str) -> Result<String, Problem> {
        self.entries.device(name).ok_or_else(|| Problem::NoDevice {
            name: name.to_owned(),
        })
    }
}
