//! Where a report goes: standard output or a new file.

use std::io;
use std::io::IsTerminal;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use sriovdp_sdk::Error;

use super::archive;
use super::archive::ReportFile;

/// Where the archive goes.
pub(super) enum Destination {
    Output,
    File(PathBuf, OwnedFd),
}

impl Destination {
    /// Opens it, before the time that a report takes.
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
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(Self::File(path, file)),
            Err(error) => Err(Error::from_std(&io::Error::from(error))
                .context(format!("cannot create `{}`", path.display()))
                .with_hint("name a new file, or write to standard output: `sriovdp report - > report.tar.gz`")),
        }
    }

    /// Writes the archive; its size.
    pub(super) fn write(&self, files: &[ReportFile]) -> Result<u64, Error> {
        let written = match self {
            Self::Output => archive::write(files, io::stdout().lock()),
            Self::File(_, file) => file
                .try_clone()
                .and_then(|file| archive::write(files, std::fs::File::from(file))),
        };
        written.map_err(|error| {
            if let Self::File(path, _) = self {
                // What is there is no report.
                let _ = std::fs::remove_file(path);
            }
            Error::from_std(&error).context("cannot write the report")
        })
    }
}
