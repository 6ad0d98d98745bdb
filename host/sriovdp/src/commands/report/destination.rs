//! Where a report goes: standard output or a new file.

use std::io;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use sriovdp_sdk::Error;
use tempfile::NamedTempFile;

use super::archive;
use super::archive::ReportFile;

/// Where the archive goes.
pub(super) enum Destination {
    Output,
    /// A path that does not exist.
    File(PathBuf),
}

impl Destination {
    /// Whether it can be written, before the time that a report takes.
    ///
    /// # Errors
    ///
    /// When it exists, cannot be created, or is a terminal.
    pub(super) fn open(file: Option<&Path>, created: &str) -> Result<Self, Error> {
        if file == Some(Path::new("-")) {
            return match io::stdout().is_terminal() {
                true => Err(Error::new(
                    "the report is an archive, and standard output is a terminal",
                )
                .with_hint("redirect it: `sriovdp report - > report.tar.gz`")),
                false => Ok(Self::Output),
            };
        }
        let named = || {
            PathBuf::from(format!(
                "sriovdp-report-{}.tar.gz",
                created.replace([':', '-'], "")
            ))
        };
        let path = file.map_or_else(named, Path::to_owned);
        let is_new = match path.symlink_metadata() {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => temporary(&path).map(drop),
            Err(error) => Err(error),
        };
        match is_new {
            Ok(()) => Ok(Self::File(path)),
            Err(error) => Err(cannot_create(&path, &error)),
        }
    }

    /// Writes the archive; its size. A file gets its name when it is complete.
    pub(super) fn write(&self, files: &[ReportFile]) -> Result<u64, Error> {
        let cannot_write =
            |error: io::Error| Error::from_std(&error).context("cannot write the report");
        match self {
            Self::Output => archive::write(files, io::stdout().lock()).map_err(cannot_write),
            Self::File(path) => {
                let mut file = temporary(path).map_err(cannot_write)?;
                let size = archive::write(files, &mut file).map_err(cannot_write)?;
                match file.persist_noclobber(path) {
                    Ok(_) => Ok(size),
                    Err(error) => Err(cannot_create(path, &error.error)),
                }
            }
        }
    }
}

/// A file beside `path` that only its owner may read, removed when it is dropped.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    NamedTempFile::new_in(directory.unwrap_or_else(|| Path::new(".")))
}

fn cannot_create(path: &Path, error: &io::Error) -> Error {
    Error::from_std(error)
        .context(format!("cannot create `{}`", path.display()))
        .with_hint(
            "name a new file, or write to standard output: `sriovdp report - > report.tar.gz`",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_when_it_is_complete_and_replaces_none() {
        let directory = tempfile::tempdir().unwrap();
        let entries = || std::fs::read_dir(directory.path()).unwrap().count();
        let path = directory.path().join("report");
        let open = || Destination::open(Some(&path), "");
        let files = |name| [ReportFile::new(name, "text".to_owned())];

        // Ended before it is written, as by a signal.
        std::mem::forget(open().unwrap());
        assert_eq!(entries(), 0);
        let (destination, late) = (open().unwrap(), open().unwrap());
        // A path that no archive can have.
        destination.write(&files("..")).unwrap_err();
        assert_eq!(entries(), 0);
        let size = destination.write(&files("a")).unwrap();
        late.write(&files("b")).unwrap_err();
        open().err().unwrap();
        assert_eq!((path.metadata().unwrap().len(), entries()), (size, 1));
    }
}
