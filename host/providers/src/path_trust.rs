//! The judgement of a path: whether others could put another file in its place.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use sriovdp_report::Hint;

/// Write permission of group and others.
pub(super) const OTHERS_WRITE: u32 = 0o022;
/// Entries of such a directory belong to those who made them.
const STICKY: u32 = 0o1000;
/// As many as the kernel follows.
const LINKS: usize = 40;

/// Why a path leads through somebody else's hands.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The path leads nowhere.
    #[error("cannot follow the path at `{}`", path.display())]
    Lost {
        /// How far it went.
        path: PathBuf,
        /// Why not further.
        #[source]
        source: io::Error,
    },
    /// A directory of somebody else.
    #[error(
        "the directory `{}` belongs to user {owner}, who is neither root nor the user of this process",
        path.display()
    )]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// A link of somebody else, where everybody may make one.
    #[error(
        "the link `{}` belongs to user {owner}, who is neither root nor the user of this process",
        path.display()
    )]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// A directory that others may change.
    #[error(
        "the directory `{}` has the mode {mode:04o}, so others than its owner may put files in it",
        path.display()
    )]
    Writable {
        /// The directory.
        path: PathBuf,
        /// The permission bits.
        mode: u32,
    },
}

impl Hint for PlaceError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Lost { .. } => None,
            Self::ForeignLink { path, .. } => Some(format!("remove `{}`", path.display())),
            Self::ForeignOwner { path, .. } => Some(format!("`chown root {}`", path.display())),
            Self::Writable { path, .. } => Some(format!("`chmod go-w {}`", path.display())),
        }
    }
}

/// Whether a file or directory belongs to root or to this process.
pub(super) fn is_ours(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

/// Checks every directory on the way to `path`, and `path` itself when it is one. Symbolic links are followed as the
/// kernel does, because whoever may replace a link, or what it leads through, chooses the file. In a sticky directory
/// that is the owner of the link.
///
/// # Errors
///
/// The first directory that somebody else may change.
pub(super) fn check(path: &Path) -> Result<(), PlaceError> {
    let lost = |path: &Path, source| PlaceError::Lost {
        path: path.to_owned(),
        source,
    };
    let path = std::path::absolute(path).map_err(|error| lost(path, error))?;
    let mut checked = BTreeSet::new();
    let mut links = 0;
    let mut here = PathBuf::from("/");
    let mut ahead = reversed(&path);
    check_directory(&here)?;
    while let Some(step) = ahead.pop() {
        if step == Path::new("..") {
            here.pop();
            continue;
        }
        let next = here.join(&step);
        let metadata = next
            .symlink_metadata()
            .map_err(|error| lost(&next, error))?;
        if metadata.is_symlink() {
            links += 1;
            if links > LINKS {
                return Err(lost(&next, rustix::io::Errno::LOOP.into()));
            }
            let owner = metadata.uid();
            if !is_ours(owner) && may_others_write(&here)? {
                return Err(PlaceError::ForeignLink { path: next, owner });
            }
            let target = next.read_link().map_err(|error| lost(&next, error))?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            ahead.extend(reversed(&target));
            continue;
        }
        if metadata.is_dir() && checked.insert(next.clone()) {
            check_directory(&next)?;
        }
        here = next;
    }
    Ok(())
}

/// The names of a path, the last one first; `.` and the root are none.
fn reversed(path: &Path) -> Vec<PathBuf> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    let mut names: Vec<PathBuf> = names.collect();
    names.reverse();
    names
}

fn of_directory(path: &Path) -> Result<Metadata, PlaceError> {
    path.metadata().map_err(|source| PlaceError::Lost {
        path: path.to_owned(),
        source,
    })
}

fn may_others_write(directory: &Path) -> Result<bool, PlaceError> {
    Ok(of_directory(directory)?.mode() & OTHERS_WRITE != 0)
}

fn check_directory(path: &Path) -> Result<(), PlaceError> {
    let metadata = of_directory(path)?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !is_ours(owner) {
        return Err(PlaceError::ForeignOwner {
            path: path.to_owned(),
            owner,
        });
    }
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        return Err(PlaceError::Writable {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{DirBuilder, Permissions, set_permissions};
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};

    use super::*;

    fn directory(path: &Path, mode: u32) {
        DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(path)
            .unwrap();
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn every_directory_on_the_way_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (above, providers) = (dir.path().join("a"), dir.path().join("a/b"));
        directory(&providers, 0o755);
        for (mode, is_safe) in [
            (0o755, true),
            (0o775, false),
            (0o757, false),
            (0o1777, true),
        ] {
            directory(&above, mode);
            assert_eq!(check(&providers).is_ok(), is_safe, "{mode:o} above");
            directory(&above, 0o755);
            directory(&providers, mode);
            assert_eq!(check(&providers).is_ok(), is_safe, "{mode:o} itself");
            directory(&providers, 0o755);
        }
    }

    /// Links of others are there for root only, so this test makes one where it is root.
    #[test]
    fn in_a_sticky_directory_the_owner_of_a_link_counts() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        directory(&at("safe"), 0o755);
        directory(&at("sticky"), 0o1777);
        for name in ["safe/link", "sticky/link"] {
            symlink("..", at(name)).unwrap();
            check(&at(name)).unwrap();
            if std::os::unix::fs::lchown(at(name), Some(65534), None).is_err() {
                return;
            }
        }
        // Who may not write to the directory cannot replace the link in it.
        check(&at("safe/link")).unwrap();
        let refused = check(&at("sticky/link")).unwrap_err().to_string();
        assert!(
            refused.contains("sticky/link` belongs to user 65534"),
            "{refused}"
        );
    }

    #[test]
    fn links_are_followed_through_what_they_lead_through() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        directory(&at("safe/providers"), 0o755);
        directory(&at("open"), 0o777);
        // From a safe directory through a link in an open one to a safe directory.
        symlink("../safe/providers", at("open/link")).unwrap();
        symlink("open/link", at("through")).unwrap();
        symlink("safe/../safe/providers", at("straight")).unwrap();
        let refused = check(&at("through")).unwrap_err();
        assert!(
            refused.to_string().contains("open` has the mode 0777"),
            "{refused}"
        );
        check(&at("straight")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let refused = check(&at("loop")).unwrap_err();
        assert!(matches!(refused, PlaceError::Lost { .. }), "{refused}");
    }
}
