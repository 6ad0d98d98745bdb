//! Crates outside of the workspace, built while the tests run.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A cargo build of one crate.
pub(crate) struct Build {
    manifest: PathBuf,
    target: PathBuf,
    profile: &'static str,
    arguments: Vec<String>,
}

impl Build {
    /// Of the crate in this directory of the repository, with its own lock file, as a debug build.
    ///
    /// All share one directory below this build's, so that what they have in common is built once.
    pub(crate) fn of(directory: &str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Self::at(&repository.join(directory)).with(&["--locked"])
    }

    /// Of the crate in any directory, with or without a lock file.
    pub(crate) fn at(directory: &Path) -> Self {
        Self {
            manifest: directory.join("Cargo.toml"),
            target: Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside"),
            profile: "debug",
            arguments: Vec::new(),
        }
    }

    /// The same with further arguments for `cargo build`.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Builds it, and says where the library is.
    pub(crate) fn library(self, name: &str) -> PathBuf {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--manifest-path"])
            .arg(&self.manifest)
            .arg("--target-dir")
            .arg(&self.target)
            .args(&self.arguments)
            .status()
            .expect("cargo starts");
        assert!(
            built.success(),
            "`{}` does not build",
            self.manifest.display()
        );
        self.target.join(self.profile).join(format!("lib{name}.so"))
    }
}
