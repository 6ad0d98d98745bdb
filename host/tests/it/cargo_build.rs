//! Crates outside of the workspace, built while the tests run.

use std::io::Write;
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

    /// The directory that it is built in.
    pub(crate) fn target(&self) -> &Path {
        &self.target
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

/// A toolchain of rustup's whose name begins like this.
pub(crate) fn installed(wanted: &str) -> Option<String> {
    let output = Command::new("rustup")
        .args(["toolchain", "list", "--quiet"])
        .output()
        .ok()?;
    let names = String::from_utf8(output.stdout).ok()?;
    let mut names = names
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names
        .find(|name| name.starts_with(wanted))
        .map(str::to_owned)
}

/// Prints past the capture of the output, so that it is seen although the test passes.
pub(crate) fn notify(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
