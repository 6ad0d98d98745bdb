//! Files, links and directories by their path, over what an existing root already has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The buses whose devices have names of their own.
pub(super) const BUSES: [&str; 4] = ["pci", "auxiliary", "vdpa", "virtio"];

/// As many as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// Longer than any path of sysfs; so much of the targets of links is followed in one path, too.
pub(super) const LONGEST_PATH: usize = 1024;

/// One path's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Directory,
    File(Vec<u8>),
    Link(String),
}

/// The entries of a node. Paths begin with `/` and have no `.` or `..`; a later entry replaces an earlier one.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    entries: BTreeMap<String, Entry>,
    removed: Vec<String>,
    /// The written node that the entries will change.
    beneath: Option<PathBuf>,
}

impl Entries {
    /// What a kernel shows before it has found a single device.
    pub(super) fn of_every_node() -> Self {
        let mut entries = Self::default();
        for path in [
            "/dev",
            "/sys/bus/pci/devices",
            "/sys/bus/pci/drivers",
            "/sys/class/net",
            "/sys/devices/system/node",
            "/sys/kernel/iommu_groups",
            "/sys/module",
        ] {
            entries.directory(path.to_owned());
        }
        entries.file("/proc/net/route".to_owned(), super::route_table::header());
        entries
    }

    /// Changes to the node that was written below `root`.
    pub(super) fn beneath(root: &Path) -> Self {
        Self {
            beneath: Some(root.to_owned()),
            ..Self::default()
        }
    }

    /// In order of their paths.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// What was there once and is no more, but for what came again.
    pub(super) fn removed(&self) -> &[String] {
        &self.removed
    }

    pub(super) fn directory(&mut self, path: String) {
        self.entries.insert(path, Entry::Directory);
    }

    pub(super) fn file(&mut self, path: String, contents: Vec<u8>) {
        self.entries.insert(path, Entry::File(contents));
    }

    /// A file with one line.
    pub(super) fn attribute(&mut self, path: String, line: &str) {
        self.file(path, format!("{line}\n").into_bytes());
    }

    pub(super) fn link(&mut self, path: String, target: impl Into<String>) {
        self.entries.insert(path, Entry::Link(target.into()));
    }

    /// A link as sysfs makes them: relative, from the directory of the link to `target`, a path from the root.
    pub(super) fn link_to(&mut self, path: String, target: &str) {
        let up = path.matches('/').count().saturating_sub(2);
        let from_sys = target.strip_prefix("/sys/").unwrap_or(target);
        self.link(path, format!("{}{from_sys}", "../".repeat(up)));
    }

    /// Removes `path` and all that is below it, on the written node too.
    pub(super) fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        let gone: Vec<String> = self
            .entries
            .range(below.clone()..)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&below))
            .cloned()
            .collect();
        for path in &gone {
            self.entries.remove(path);
        }
        self.entries.remove(path);
        self.removed.push(path.to_owned());
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let first = self.entries.range(below.clone()..).next();
        self.entries.contains_key(path)
            || first.is_some_and(|(path, _)| path.starts_with(&below))
            || self
                .written(path)
                .is_some_and(|path| path.symlink_metadata().is_ok())
    }

    /// The bytes of a file.
    pub(super) fn contents(&self, path: &str) -> Option<Vec<u8>> {
        match self.entries.get(path) {
            Some(Entry::File(bytes)) => Some(bytes.clone()),
            Some(_) => None,
            None => fs::read(self.written(path)?).ok(),
        }
    }

    /// The text of a file, without its last newline.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let bytes = self.contents(path)?;
        Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// The target of a link.
    pub(super) fn target(&self, path: &str) -> Option<String> {
        match self.entries.get(path) {
            Some(Entry::Link(target)) => Some(target.clone()),
            Some(_) => None,
            None => Some(
                fs::read_link(self.written(path)?)
                    .ok()?
                    .to_str()?
                    .to_owned(),
            ),
        }
    }

    /// Where a link leads.
    pub(super) fn follow(&self, path: &str) -> Option<String> {
        let target = self.target(path)?;
        let (directory, _) = path.rsplit_once('/')?;
        Some(match target.starts_with('/') {
            true => self.real_path(&target),
            false => self.real_path(&format!("{directory}/{target}")),
        })
    }

    /// The names in a directory, in order.
    pub(super) fn names(&self, directory: &str) -> Vec<String> {
        let below = format!("{directory}/");
        let mut names: Vec<String> = self
            .entries
            .range(below.clone()..)
            .map_while(|(path, _)| path.strip_prefix(&below))
            .filter_map(|path| path.split('/').next())
            .map(str::to_owned)
            .collect();
        let listing = self
            .written(directory)
            .and_then(|directory| fs::read_dir(directory).ok());
        for entry in listing.into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if self.written(&format!("{below}{name}")).is_some() {
                names.push(name);
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The directory of the device `name`, whichever bus it is on.
    pub(super) fn device(&self, name: &str) -> Option<String> {
        BUSES
            .iter()
            .find_map(|bus| self.follow(&format!("/sys/bus/{bus}/devices/{name}")))
    }

    /// `path` with the links in its directories followed, as the kernel would; the last part is left as it is.
    pub(super) fn real_path(&self, path: &str) -> String {
        self.walk(path).0
    }

    /// The first link that leads above the root, is absolute, or leads through too many other links. It counts what the
    /// entries say, so nothing needs to be written.
    pub(super) fn link_outside(&self) -> Option<&str> {
        let leads_out = |path: &str, target: &str| {
            let (directory, _) = path.rsplit_once('/').unwrap_or_default();
            target.starts_with('/') || !self.walk(&format!("{directory}/{target}")).1
        };
        let mut links = self.links();
        links
            .find(|(path, target)| leads_out(path, target))
            .map(|(path, _)| path)
    }

    /// An entry that would be written through a link, and this link.
    pub(super) fn below_link(&self) -> Option<(&str, &str)> {
        self.links().find_map(|(link, _)| {
            let below = format!("{link}/");
            let (first, _) = self.entries.range(below.clone()..).next()?;
            first.starts_with(&below).then_some((first.as_str(), link))
        })
    }

    /// A path that is not in its simplest form, so that it can lead elsewhere than it seems to.
    pub(super) fn crooked_path(&self) -> Option<&str> {
        let is_crooked = |path: &&str| {
            let mut parts = path.strip_prefix('/').unwrap_or(path).split('/');
            !path.is_empty() && parts.any(|part| matches!(part, "" | "." | ".."))
        };
        let removed = self.removed.iter().map(String::as_str);
        let paths = self.entries.keys().map(String::as_str);
        paths.chain(removed).find(is_crooked)
    }

    fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter_map(|(path, entry)| match entry {
            Entry::Link(target) => Some((path, target.as_str())),
            _ => None,
        })
    }

    /// Where `path` leads, and whether the way there is known and stays below the root.
    fn walk(&self, path: &str) -> (String, bool) {
        let mut real = String::with_capacity(path.len());
        let mut rest = parts(path);
        let (mut links, mut followed, mut stays) = (0, 0, true);
        while let Some(part) = rest.pop() {
            let parent = real.len();
            match part.as_str() {
                ".." => {
                    stays &= !real.is_empty();
                    real.truncate(real.rfind('/').unwrap_or(0));
                }
                part => real.extend(["/", part]),
            }
            if rest.is_empty() {
                continue;
            }
            if let Some(target) = self.target(&real) {
                links += 1;
                followed += target.len();
                if links > MOST_LINKS || followed > LONGEST_PATH {
                    stays = false;
                    continue;
                }
                real.truncate(if target.starts_with('/') { 0 } else { parent });
                rest.extend(parts(&target));
            }
        }
        (real, stays)
    }

    /// The place of `path` on the written node, unless a line removed it.
    fn written(&self, path: &str) -> Option<PathBuf> {
        let root = self.beneath.as_ref()?;
        let is_gone = |gone: &String| {
            path.strip_prefix(gone.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self.removed.iter().any(is_gone) {
            true => None,
            false => Some(root.join(path.trim_start_matches('/'))),
        }
    }
}

/// The parts of a path, last one first.
fn parts(path: &str) -> Vec<String> {
    let parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    parts.rev().map(str::to_owned).collect()
}
