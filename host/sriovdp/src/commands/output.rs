//! The output of a command, and its exit code: a command that reports an error ends with 1.

use std::fmt;
use std::fmt::Write as _;
use std::io::Write as _;

use crate::cli::Exit;
use serde::Serialize;
use sriovdp_report::{Escaped, Hint, Report, is_unsafe};
use sriovdp_sdk::Error;

/// The output of a command, written at its end; errors and warnings go to standard error at once.
#[derive(Debug)]
pub(super) struct Output {
    text: String,
    /// Errors and warnings belong to the output.
    reports_are_output: bool,
    exit: Exit,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            text: String::new(),
            reports_are_output: false,
            exit: Exit::Success,
        }
    }

    /// For a command whose output consists of errors and warnings.
    pub(super) fn of_reports() -> Self {
        Self {
            reports_are_output: true,
            ..Self::new()
        }
    }

    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        // The line may have texts of providers and names from the node.
        let _ = writeln!(self.text, "{:#}", Escaped(&line.to_string()));
    }

    /// A JSON value, with such characters escaped as JSON has it.
    pub(super) fn json(&mut self, value: &impl Serialize) {
        let json = match serde_json::to_string_pretty(value) {
            Ok(json) => json,
            Err(error) => return self.error(&Error::from_std(&error)),
        };
        self.json_text(&json);
    }

    /// The text of a JSON value.
    pub(super) fn json_text(&mut self, json: &str) {
        for c in json.chars() {
            if c == '\n' || !is_unsafe(c) {
                self.text.push(c);
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(self.text, "\\u{unit:04x}");
            }
        }
        self.text.push('\n');
    }

    /// Text that another program reads.
    pub(super) fn raw(&mut self, text: &str) {
        self.text += text;
    }

    pub(super) fn error(&mut self, error: &impl Hint) {
        self.report(&Report::error(error));
        self.fail();
    }

    pub(super) fn warning(&mut self, warning: &impl Hint) {
        self.report(&Report::warning(warning));
    }

    /// Makes the exit code that of a failure, for a line about something wrong or unknown.
    pub(super) fn fail(&mut self) {
        self.exit = Exit::Failure;
    }

    /// The command got no answer.
    pub(super) fn no_answer(&mut self, error: &impl Hint) {
        self.report(&Report::error(error));
        self.exit = Exit::Usage;
    }

    pub(super) fn is_good(&self) -> bool {
        self.exit == Exit::Success
    }

    /// Writes the output. A closed pipe is no failure.
    pub(super) fn print(self) -> Exit {
        let mut output = std::io::stdout();
        let written = output.write_all(self.text.as_bytes());
        match written.and_then(|()| output.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                eprintln!("error: cannot write the output\nCaused by: {error}");
                Exit::Failure
            }
            _ => self.exit,
        }
    }

    fn report(&mut self, report: &Report<'_>) {
        if self.reports_are_output {
            self.line(format_args!("{report}"));
        } else {
            eprintln!("{report}");
        }
    }
}
