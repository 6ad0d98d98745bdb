//! A rule in a process of its own: the test runs itself again, so that the end of a process is a violation, and the
//! memory that grows is the provider's.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Violation;

/// For the child: the file for the outcome.
const OUTCOME: &str = "SRIOVDP_CONFORMANCE_OUTCOME";
/// For the child: the test that it is to run.
const TEST: &str = "SRIOVDP_CONFORMANCE_TEST";
const STARTED: &str = "started";
const KEPT: &str = "kept";

/// Runs `rule` in a child that is the test `test` of this program, as the Rust test harness names it.
pub(super) fn alone(
    test: &str,
    rule: impl FnOnce() -> Result<(), Violation>,
) -> Result<(), Violation> {
    let child = env::var_os(TEST).filter(|child| child == test);
    if let (Some(file), Some(_)) = (env::var_os(OUTCOME), child) {
        write(Path::new(&file), STARTED)?;
        let outcome = rule();
        let text = outcome
            .as_ref()
            .map_or_else(ToString::to_string, |()| KEPT.to_owned());
        // The parent fails with it.
        return write(Path::new(&file), &text);
    }
    let file = tempfile::NamedTempFile::new().map_err(|error| cannot_run(&error))?;
    let program = env::current_exe().map_err(|error| cannot_run(&error))?;
    let ended = Command::new(program)
        .args([test, "--exact", "--nocapture"])
        .env(OUTCOME, file.path())
        .env(TEST, test)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| cannot_run(&error))?;
    match fs::read_to_string(file.path())
        .map_err(|error| cannot_run(&error))?
        .as_str()
    {
        // Another harness, which has no such options.
        "" => rule(),
        KEPT => Ok(()),
        STARTED => Err(Violation::new(format!(
            "the provider ends its process ({}), and with it the plugin",
            ended.status
        ))),
        violation => {
            show(&ended.stderr);
            Err(Violation::new(violation))
        }
    }
}

/// The place of a panic is in there.
#[allow(
    clippy::print_stderr,
    reason = "what a test prints is shown when it fails"
)]
fn show(output: &[u8]) {
    eprint!("{}", String::from_utf8_lossy(output));
}

fn write(file: &Path, text: &str) -> Result<(), Violation> {
    fs::write(file, text).map_err(|error| cannot_run(&error))
}

fn cannot_run(error: &std::io::Error) -> Violation {
    Violation::new(format!(
        "cannot run the test in a process of its own: {error}"
    ))
}
