//! Path trust: whether only root and the user of this process can replace the file at a path.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use sriovdp_report::Hint;

/// Write permission of group and others.
pub(super) const OTHERS_WRITE: u32 = 0o022;
/// In such a directory, only the owner of an entry may replace it.
const STICKY: u32 = 0o1000;
/// The kernel's limit.
const MAX_LINKS: usize = 40;

/// Why a path is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum PathTrustError {
    /// The path cannot be resolved.
    #[error("cannot follow the path at `{}`", path.display())]
    Unresolved {
        /// The component that failed.
        path: PathBuf,
        /// The error of the system call.
        #[source]
        source: io::Error,
    },
    /// A directory of an untrusted user.
    #[error(
        "the directory `{}` belongs to user {owner}, which is neither root nor the user of this process",
        path.display()
    )]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// A link of an untrusted user, in a directory that others may write to.
    #[error(
        "the link `{}` belongs to user {owner}, which is neither root nor the user of this process",
        path.display()
    )]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// A directory that others may write to.
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

impl Hint for PathTrustError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unresolved { .. } => None,
            Self::ForeignLink { path, .. } => Some(format!("remove `{}`", path.display())),
            Self::ForeignOwner { path, .. } => Some(format!("`chown root {}`", path.display())),
            Self::Writable { path, .. } => Some(format!("`chmod go-w {}`", path.display())),
        }
    }
}

/// Whether `owner` is root or the user of this process.
pub(super) fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

/// Checks every directory of `path`, and `path` itself if it is one. Symbolic links are resolved as the kernel does,
/// and the directories of their targets are checked as well. In a sticky directory, the owner of a link counts.
///
/// # Errors
///
/// The first component that an untrusted user may replace.
pub(super) fn check(path: &Path) -> Result<(), PathTrustError> {
    let unresolved = |path: &Path, source| PathTrustError::Unresolved {
        path: path.to_owned(),
        source,
    };
    let path = std::path::absolute(path).map_err(|error| unresolved(path, error))?;
    let mut checked = BTreeSet::new();
    let mut links = 0;
    let mut current = PathBuf::from("/");
    let mut remaining = reversed(&path);
    check_directory(&current)?;
    while let Some(name) = remaining.pop() {
        if name == Path::new("..") {
            current.pop();
            continue;
        }
        let next = current.join(&name);
        let metadata = next
            .symlink_metadata()
            .map_err(|error| unresolved(&next, error))?;
        if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(unresolved(&next, rustix::io::Errno::LOOP.into()));
            }
            let owner = metadata.uid();
            if !is_trusted(owner) && may_others_write(&current)? {
                return Err(PathTrustError::ForeignLink { path: next, owner });
            }
            let target = next.read_link().map_err(|error| unresolved(&next, error))?;
            if target.is_absolute() {
                current = PathBuf::from("/");
            }
            remaining.extend(reversed(&target));
            continue;
        }
        if metadata.is_dir() && checked.insert(next.clone()) {
            check_directory(&next)?;
        }
        current = next;
    }
    Ok(())
}

/// The components of a path in reverse order, without the root and `.`.
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

fn metadata_of(path: &Path) -> Result<Metadata, PathTrustError> {
    path.metadata()
        .map_err(|source| PathTrustError::Unresolved {
            path: path.to_owned(),
            source,
        })
}

fn may_others_write(directory: &Path) -> Result<bool, PathTrustError> {
    Ok(metadata_of(directory)?.mode() & OTHERS_WRITE != 0)
}

fn check_directory(path: &Path) -> Result<(), PathTrustError> {
    let metadata = metadata_of(path)?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !is_trusted(owner) {
        return Err(PathTrustError::ForeignOwner {
            path: path.to_owned(),
            owner,
        });
    }
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        return Err(PathTrustError::Writable {
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
    fn every_directory_of_a_path_is_checked() {
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

    /// Only root can make a link of another user; without root the test ends early.
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
        // In a directory that others cannot write to, they cannot replace a link.
        check(&at("safe/link")).unwrap();
        let refused = check(&at("sticky/link")).unwrap_err().to_string();
        assert!(
            refused.contains("sticky/link` belongs to user 65534"),
            "{refused}"
        );
    }

    #[test]
    fn directories_of_link_targets_are_checked() {
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
        assert!(
            matches!(refused, PathTrustError::Unresolved { .. }),
            "{refused}"
        );
    }
}
