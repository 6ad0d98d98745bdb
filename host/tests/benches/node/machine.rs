//! The machine and the build, as a line above the results.

use std::fs;
use std::process::Command;

/// Both in words.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = first_words(&read("/proc/loadavg"), 1);
    format!(
        "Measured on {}: commit {}, {}.\n\
         Machine: {}, {cores} cores, {}; Linux {}; {}; load average before the start: {load}.",
        output("date", &["-u", "+%F"]),
        output("git", &["describe", "--always", "--dirty"]),
        first_words(&compiler(), 2),
        cpu_model(),
        std::env::consts::ARCH,
        read("/proc/sys/kernel/osrelease").trim(),
        c_library(),
    )
}

/// `rustc 1.95.0 (...)`.
pub(crate) fn compiler() -> String {
    output("rustc", &["--version"])
}

/// `glibc 2.36`.
pub(crate) fn c_library() -> String {
    output("getconf", &["GNU_LIBC_VERSION"])
}

/// The first line that a command prints.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text.unwrap_or_default().lines().next().map(str::to_owned);
    line.unwrap_or_else(|| format!("(unknown: `{program}` printed nothing)"))
}

fn cpu_model() -> String {
    let text = read("/proc/cpuinfo");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = line.and_then(|line| line.split_once(": "));
    model
        .map_or("CPU of an unknown model", |(_, model)| model)
        .to_owned()
}

fn first_words(text: &str, count: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().take(count).collect();
    words.join(" ")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
