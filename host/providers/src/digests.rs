//! The list of the files that may be loaded, by their SHA-256 digests, as `sha256sum` prints it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::path_trust::{OTHERS_WRITE, is_trusted};
use crate::bounded_read;
use sriovdp_report::Hint;

/// A line has about a hundred bytes.
const MAX_SIZE: u64 = 1 << 20;

/// The SHA-256 digest of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// The list: a digest for each file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Digests {
    list: PathBuf,
    by_name: BTreeMap<OsString, Digest>,
}

/// Why the list does not allow a file.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The list is unusable.
    #[error(transparent)]
    List(#[from] UnusableList),
    /// The list does not name the file.
    #[error("it is not in the list of digests `{}`", list.display())]
    NotListed {
        /// The list.
        list: PathBuf,
        /// The file's digest.
        digest: Digest,
        /// The file's name.
        name: String,
    },
    /// The list names another content.
    #[error("its digest is {found}, and the list `{}` has {listed}", list.display())]
    Differs {
        /// The list.
        list: PathBuf,
        /// The file's digest.
        found: Digest,
        /// The digest in the list.
        listed: Digest,
    },
}

/// An unusable list, which allows no file.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the list of digests `{}` cannot be used", list.display())]
pub struct UnusableList {
    list: PathBuf,
    #[source]
    source: ListError,
}

/// Why a list is unusable.
#[derive(Clone, Debug, thiserror::Error)]
enum ListError {
    /// The list cannot be read.
    #[error("cannot read it")]
    Read(#[source] Arc<io::Error>),
    /// Untrusted users may write to the list.
    #[error("others than root and the user of this process may write to it")]
    Writable,
    /// A line is not in the format of `sha256sum`.
    #[error("line {0} is not a digest of 64 hexadecimal digits, two blanks and a file name")]
    Line(usize),
    /// Two lines have different digests for one file name.
    #[error("line {0} repeats a file name with another digest")]
    Twice(usize),
}

impl From<Sha256> for Digest {
    fn from(digest: Sha256) -> Self {
        Self(digest.finalize().into())
    }
}

impl Digest {
    fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 64 {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        }
        Some(Self(digest))
    }
}

impl Digests {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// When the list cannot be read or is malformed.
    pub(super) fn read(list: &Path) -> Result<Self, UnusableList> {
        match read(list) {
            Ok(by_name) => Ok(Self {
                list: list.to_owned(),
                by_name,
            }),
            Err(source) => Err(UnusableList {
                list: list.to_owned(),
                source,
            }),
        }
    }

    /// Checks that the list has the file `name` with this digest.
    ///
    /// # Errors
    ///
    /// When it has not.
    pub(super) fn check(&self, name: &OsStr, digest: Digest) -> Result<(), DigestError> {
        match self.by_name.get(name) {
            Some(&listed) if listed == digest => Ok(()),
            Some(&listed) => Err(DigestError::Differs {
                list: self.list.clone(),
                found: digest,
                listed,
            }),
            None => Err(DigestError::NotListed {
                list: self.list.clone(),
                digest,
                name: name.to_string_lossy().into_owned(),
            }),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Hint for DigestError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::List(UnusableList {
                source: ListError::Writable,
                list,
            }) => format!(
                "`chown root` and `chmod go-w` the file `{}`",
                list.display()
            ),
            Self::List(_) => {
                "make the list with `sha256sum *.so` in a provider directory that you trust"
                    .to_owned()
            }
            Self::NotListed { digest, name, .. } => {
                format!(
                    "if you trust this file, add the line `{digest}  {name}`; else remove the file"
                )
            }
            Self::Differs { .. } => {
                "find out how the file has changed; if you trust it, put its digest into the list"
                    .to_owned()
            }
        })
    }
}

fn read(list: &Path) -> Result<BTreeMap<OsString, Digest>, ListError> {
    let unread = |error| ListError::Read(Arc::new(error));
    let (file, metadata) = bounded_read::open(list).map_err(unread)?;
    if !is_trusted(metadata.uid()) || metadata.mode() & OTHERS_WRITE != 0 {
        return Err(ListError::Writable);
    }
    parse(&bounded_read::read(file, MAX_SIZE).map_err(unread)?)
}

/// Directories in front of a file name are ignored; `sha256sum DIR/*.so` prints them.
fn parse(text: &[u8]) -> Result<BTreeMap<OsString, Digest>, ListError> {
    let mut by_name = BTreeMap::new();
    for (n, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (digest, name) = line.split_at_checked(64).ok_or(ListError::Line(n))?;
        let digest = Digest::parse(digest).ok_or(ListError::Line(n))?;
        let name = name
            .strip_prefix(b"  ")
            .or_else(|| name.strip_prefix(b" *"));
        let name = Path::new(OsStr::from_bytes(name.unwrap_or_default()));
        let name = name.file_name().ok_or(ListError::Line(n))?.to_owned();
        if by_name
            .insert(name, digest)
            .is_some_and(|before| before != digest)
        {
            return Err(ListError::Twice(n));
        }
    }
    Ok(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf abc | sha256sum`
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_format_of_sha256sum() {
        let text = format!("# ours\n{ABC}  a.so\n{ABC} */opt/x/b.so\r\n\n");
        let by_name = parse(text.as_bytes()).unwrap();
        let abc = Digest::from(Sha256::new_with_prefix("abc"));
        let names: Vec<_> = by_name.keys().collect();
        assert_eq!(names, ["a.so", "b.so"]);
        assert_eq!(by_name[OsStr::new("a.so")], abc);
        assert_eq!(abc.to_string(), ABC);
    }

    #[test]
    fn malformed_lines_are_refused() {
        let other = ABC.replace('b', "c");
        for (text, expected) in [
            (format!("{ABC}  a.so\n{ABC} a.so\n"), "line 2 is not"),
            (format!("{ABC}  \n"), "line 1 is not"),
            (format!("{}  a.so\n", &ABC[1..]), "line 1 is not"),
            (ABC.replace('b', "x"), "line 1 is not"),
            (format!("{ABC}  a.so\n{other}  d/a.so"), "line 2 repeats"),
        ] {
            let refused = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{text}: {refused}");
        }
    }
}
