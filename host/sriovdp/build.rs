//! Values of the build for `sriovdp version`: the commit, the compiler, the target.
//!
//! The commit is that of the variable `SRIOVDP_COMMIT`, or else the one that `git archive` has written into the file
//! `commit`, or else that of the working tree. A build for development has none, so that a commit rebuilds nothing.
//! Nothing else of the machine goes into the program, so equal sources give equal files.

use std::process::Command;

const VARIABLE: &str = "SRIOVDP_COMMIT";
const ARCHIVED: &str = "commit";
const LAYOUT: &str = "layout.ld";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ARCHIVED}");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let variable = std::env::var(VARIABLE).ok();
    let archived = || std::fs::read_to_string(ARCHIVED).ok();
    let commit = variable.filter(|commit| is_commit(commit));
    let commit = commit.or_else(|| archived().filter(|commit| is_commit(commit)));
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = commit.or_else(|| is_release.then(working_tree).flatten());
    set("COMMIT", commit);
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    set("RUSTC", output(&rustc, &["--version"]));
    set("TARGET", std::env::var("TARGET").ok());
    println!("cargo::rerun-if-changed={LAYOUT}");
    if is_release {
        lay_out();
    }
}

/// Has the linker put code behind the rest that a daemon does not run. Other targets have other linkers.
fn lay_out() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    if variable("TARGET") == "x86_64-unknown-linux-gnu" {
        let directory = variable("CARGO_MANIFEST_DIR");
        println!("cargo::rustc-link-arg-bins=-T{directory}/{LAYOUT}");
    }
}

/// The commit of the working tree. Its log changes with each commit and each checkout.
fn working_tree() -> Option<String> {
    let log = output("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    output("git", &["rev-parse", "HEAD"]).filter(|commit| is_commit(commit))
}

fn is_commit(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 7 && text.chars().all(|c| c.is_ascii_hexdigit())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn set(name: &str, value: Option<String>) {
    let value = value.unwrap_or_default();
    println!("cargo::rustc-env=SRIOVDP_BUILD_{name}={}", value.trim());
}
