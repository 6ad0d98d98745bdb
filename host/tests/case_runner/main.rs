//! Every file of `host/tests/cases` against the real program, as two named tests: one for each registration mode.
//!
//! `cargo test -p sriovdp-tests --test cases vfio` runs those with `vfio` in their name. `UPDATE_EXPECT=1` replaces the
//! expectations of the files by what is found.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a case that cannot be run names the line"
)]

mod case_file;
mod run;
#[allow(dead_code, unused, reason = "shared with the other tests")]
#[path = "../it/test_node.rs"]
mod test_node;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use self::case_file::CaseFile;
use self::run::Run;
use self::test_node::RegistrationMode;

fn main() -> ExitCode {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut trials = Vec::new();
    for file in case_files() {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        for (mode_name, mode) in [
            ("watcher", RegistrationMode::Watcher),
            ("register", RegistrationMode::Register),
        ] {
            // Both modes have the same expectations, so one of them updates the file.
            if update && mode == RegistrationMode::Register {
                continue;
            }
            let file = file.clone();
            trials.push(Trial::test(format!("{name}::{mode_name}"), move || {
                run_case(&file, mode, update)
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn case_files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "case"))
        .collect();
    files.sort();
    files
}

fn run_case(path: &Path, mode: RegistrationMode, update: bool) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut case = CaseFile::read(path);
    let difference = runtime.block_on(async {
        let run = Run::start(&case, mode).await;
        for step in 0..case.sections.len() {
            let section = &case.sections[step];
            if !section.is_step() {
                continue;
            }
            let found = run.step(section).await;
            if found != section.body {
                if !update {
                    return Some(format!(
                        "{}:{}: `{}`\n{}\nlog:\n{}",
                        path.display(),
                        section.line,
                        section.head,
                        diff(&section.body, &found),
                        run.log()
                    ));
                }
                case.sections[step].body = found;
            }
        }
        None
    });
    if update {
        case.write(path);
    }
    difference.map_or(Ok(()), |difference| Err(difference.into()))
}

/// The expected lines with `-` and the found ones with `+`, apart from those that both begin and end with.
fn diff(expected: &[String], found: &[String]) -> String {
    let common = |pairs: &mut dyn Iterator<Item = (&String, &String)>| {
        pairs
            .take_while(|(expected, found)| expected == found)
            .count()
    };
    let start = common(&mut expected.iter().zip(found));
    let (expected_rest, found_rest) = (&expected[start..], &found[start..]);
    let end = common(&mut expected_rest.iter().rev().zip(found_rest.iter().rev()));
    let lines = |sign: &'static str, lines: &[String]| {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| format!("{sign} {line}\n"))
            .collect();
        lines.concat()
    };
    [
        lines(" ", &expected[..start]),
        lines("-", &expected_rest[..expected_rest.len() - end]),
        lines("+", &found_rest[..found_rest.len() - end]),
        lines(" ", &found_rest[found_rest.len() - end..]),
    ]
    .concat()
}
