//! The demo runs to its end, prints what the README shows of it, and leaves a node on which its commands work.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../../README.md");
const CHANGE: &str = "on the kubelet's stream N ms after the change";

#[test]
fn the_readme_shows_what_it_prints() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("demo");
    let demo = Command::new(env!("CARGO_BIN_EXE_sriovdp-demo"))
        .arg(&directory)
        .output()
        .expect("it starts");
    let printed = String::from_utf8_lossy(&demo.stdout);
    let errors = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{printed}{errors}");
    let lines: Vec<String> = printed.lines().map(without_times).collect();
    let (_, shown) = README.split_once("```text\n").expect("an excerpt");
    let (shown, _) = shown.split_once("```").expect("its end");
    let mut rest = &lines[..];
    for part in shown.split("...\n") {
        let part: Vec<String> = part.lines().map(without_times).collect();
        let found = rest.windows(part.len()).position(|lines| lines == part);
        let at = found.unwrap_or_else(|| panic!("{part:#?} is not in\n{printed}{errors}"));
        rest = &rest[at + part.len()..];
    }
    // A function, a link that goes and returns, the configuration, a device type, an extension, an adapter.
    let changes = lines.iter().filter(|line| line.ends_with(CHANGE)).count();
    assert_eq!(changes, 7, "{printed}");
    assert!(printed.contains("no rule of the kubelet was violated"));

    expect_table(&directory);
    let program = directory.join("sriovdp").display().to_string();
    let commands = printed
        .lines()
        .filter(|line| line.trim().starts_with(&program));
    let commands: Vec<&str> = commands.collect();
    assert_eq!(commands.len(), 3, "{printed}");
    for command in commands {
        let ended = Command::new("sh")
            .args(["-c", command])
            .output()
            .expect("a shell");
        let output = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && !output.is_empty(),
            "{command}: {ended:?}"
        );
    }
}

/// The first devices of the table in the README.
fn expect_table(directory: &Path) {
    let listed = Command::new(directory.join("sriovdp")).arg("list").output();
    let listed = listed.expect("a script").stdout;
    let (_, shown) = README.split_once("/sriovdp list\n").expect("a command");
    let (shown, more) = shown.split_once("... (").expect("the end of the excerpt");
    let (more, _) = more
        .split_once(" more)\n```")
        .expect("the number of further devices");
    let listed = String::from_utf8_lossy(&listed);
    let further = listed.strip_prefix(shown).expect("the first devices");
    assert_eq!(further.lines().count().to_string(), more, "{listed}");
}

/// Times are other ones in each play.
fn without_times(line: &str) -> String {
    let Some((before, after)) = line.split_once(" ms") else {
        return line.to_owned();
    };
    let before = before.trim_end_matches(|c: char| c.is_ascii_digit());
    format!("{before}N ms{after}")
}
