//! Nodes that are damaged in one place: a file that is gone, empty or full of junk, a link that leads nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// No text, and more of it than a page, as an uninitialised buffer.
const JUNK: [u8; 6000] = [0xff; 6000];
/// Where the undamaged original is in the meantime.
const ASIDE: &str = ".aside";

/// What is in the place of something that a provider reads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    Absent,
    Empty,
    Junk,
    Huge,
    Negative,
    Dangling,
    Directory,
}

/// A damaged place, which is mended when this value goes.
#[derive(Debug)]
pub(super) struct Damaged {
    place: PathBuf,
    /// Nothing, where nothing was before.
    original: Option<PathBuf>,
}

impl Damage {
    pub(super) const ALL: [Self; 7] = [
        Self::Absent,
        Self::Empty,
        Self::Junk,
        Self::Huge,
        Self::Negative,
        Self::Dangling,
        Self::Directory,
    ];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Absent => "is absent",
            Self::Empty => "is an empty file",
            Self::Junk => "is a file of 6,000 bytes 0xff",
            Self::Huge => "is a file with a number of 40 digits",
            Self::Negative => "is a file with the number -1",
            Self::Dangling => "is a link that leads nowhere",
            Self::Directory => "is an empty directory",
        }
    }

    pub(super) fn at(self, root: &Path, place: &Path) -> io::Result<Damaged> {
        let aside = root.join(ASIDE);
        let original = place.symlink_metadata().is_ok().then_some(aside);
        if let Some(aside) = &original {
            fs::rename(place, aside)?;
        }
        let damaged = Damaged {
            place: place.to_owned(),
            original,
        };
        match self {
            Self::Absent => {}
            Self::Empty => fs::write(place, "")?,
            Self::Junk => fs::write(place, JUNK)?,
            Self::Huge => fs::write(place, "9".repeat(40))?,
            Self::Negative => fs::write(place, "-1\n")?,
            Self::Dangling => symlink("../../no/such/place", place)?,
            Self::Directory => fs::create_dir(place)?,
        }
        Ok(damaged)
    }
}

/// A link to `target` instead of what is at `place`.
pub(super) fn link_instead(root: &Path, place: &Path, target: &str) -> io::Result<Damaged> {
    let damaged = Damage::Absent.at(root, place)?;
    symlink(target, place)?;
    Ok(damaged)
}

impl Drop for Damaged {
    fn drop(&mut self) {
        // What cannot be mended shows in what follows.
        let _ = fs::remove_file(&self.place).or_else(|_| fs::remove_dir(&self.place));
        if let Some(original) = &self.original {
            let _ = fs::rename(original, &self.place);
        }
    }
}

/// Where the `paths` of a node really are below `root`, each once; those whose directory is absent are left out.
pub(super) fn places(root: &Path, paths: &[String]) -> BTreeSet<PathBuf> {
    let place = |path: &String| {
        let path = root.join(path.trim_matches('/'));
        let directory = path.parent()?.canonicalize().ok()?;
        Some(directory.join(path.file_name()?))
    };
    paths
        .iter()
        .filter_map(place)
        .filter(|place| place != root)
        .collect()
}
