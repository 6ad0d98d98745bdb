//! Crates outside of the workspace, built while the tests run.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A cargo build of one crate.
pub(crate) struct Build {
    manifest: PathBuf,
    target: PathBuf,
    arguments: Vec<String>,
    toolchain: Option<String>,
}

impl Build {
    /// Of the crate in this directory of the repository, with its own lock file, as a debug build.
    ///
    /// All share one directory below this build's, so that what they have in common is built once.
    pub(crate) fn of(directory: &str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Self::at(&repository.join(directory)).with(&["--locked"])
    }

    /// Of the crate in any directory, with or without a lock file.
    pub(crate) fn at(directory: &Path) -> Self {
        Self {
            manifest: directory.join("Cargo.toml"),
            target: Path::new(env!("CARGO_TARGET_TMPDIR")).join("crates"),
            arguments: Vec::new(),
            toolchain: None,
        }
    }

    /// The same with further arguments for `cargo build`.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// The same with another toolchain of rustup's, in a directory of its own.
    pub(crate) fn on_toolchain(mut self, toolchain: &str) -> Self {
        self.target = self.target.with_file_name(format!("crates-{toolchain}"));
        self.toolchain = Some(toolchain.to_owned());
        self
    }

    /// Builds it, and returns the path of the library.
    pub(crate) fn library(self, name: &str) -> PathBuf {
        self.run("build");
        let is_release = self
            .arguments
            .iter()
            .any(|argument| argument == "--release");
        let profile = if is_release { "release" } else { "debug" };
        self.target.join(profile).join(format!("lib{name}.so"))
    }

    /// Runs its tests.
    pub(crate) fn test(self) {
        self.run("test");
    }

    fn run(&self, command: &str) {
        let mut cargo = Command::new(env!("CARGO"));
        if let Some(toolchain) = &self.toolchain {
            cargo = Command::new("rustup");
            cargo.args(["run", toolchain, "cargo"]);
        }
        let output = cargo
            .args([command, "--quiet", "--manifest-path"])
            .arg(&self.manifest)
            .arg("--target-dir")
            .arg(&self.target)
            .args(&self.arguments)
            .output()
            .expect("cargo starts");
        assert!(
            output.status.success(),
            "`cargo {command}` of `{}` fails:\n{}{}",
            self.manifest.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
