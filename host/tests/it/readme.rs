//! What the README shows is so: its provider is the example, and `make` says first what is missing.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::repository::{path, text};

#[test]
fn the_provider_in_it_is_the_example() {
    let readme = text("README.md");
    let (_, code) = readme.split_once("```rust\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let example = text("examples/providers/vendor-provider/src/lib.rs");
    let mut lines = example.lines().map(str::trim);
    let shown = code.lines().map(str::trim);
    for line in shown.filter(|line| !line.is_empty() && !line.starts_with("// ...")) {
        let is_there = lines.by_ref().any(|of_example| of_example == line);
        assert!(is_there, "`{line}` is not in the example, or not there");
    }
}

#[test]
fn make_says_what_is_missing() {
    let tools = tempfile::tempdir().unwrap();
    let provide = |name: &str| {
        let directories = std::env::var("PATH").unwrap();
        let mut places = directories
            .split(':')
            .map(|place| format!("{place}/{name}"));
        let tool = places.find(|tool| std::path::Path::new(tool).exists());
        symlink(tool.unwrap(), tools.path().join(name)).unwrap();
    };
    let fake = |name: &str, says: &str| {
        use std::os::unix::fs::PermissionsExt;
        let file = tools.path().join(name);
        std::fs::write(&file, format!("#!/bin/sh\necho {says}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    for name in ["make", "sh", "sed", "cut", "sort", "tail", "awk"] {
        provide(name);
    }
    let says = |target: &str| {
        let make = Command::new(tools.path().join("make"))
            .args(["--no-print-directory", "-C"])
            .arg(path("."))
            .arg(target)
            .env("PATH", tools.path())
            // Those of the `make` that runs this test.
            .env_remove("MAKEFLAGS")
            .output()
            .unwrap();
        assert!(!make.status.success(), "{make:?}");
        let said = String::from_utf8_lossy(&make.stderr).into_owned();
        said.lines().next().unwrap_or_default().to_owned()
    };
    for target in ["demo", "test"] {
        assert!(says(target).starts_with("cargo is missing: install Rust 1."));
    }
    fake("cargo", "cargo 1.80.0");
    assert!(says("demo").starts_with("cargo 1.80.0 is too old: install Rust 1."));
    fake("cargo", "cargo 9.0.0");
    fake("rustc", "rustc 9.0.0");
    assert!(says("demo").starts_with("the C linker 'cc' is missing: install a C compiler"));
}
