//! The output of a command, and its exit code: a command that reports an error ends with 1.

mod document;
mod reported;
mod table;
mod yaml;

use std::fmt;
use std::fmt::Write as _;
use std::io::Write as _;

use crate::cli::{Exit, OutputFormat};
use crate::style;
use serde::Serialize;
use sriovdp_report::{Escaped, Hint, Report, is_unsafe};
use sriovdp_sdk::Error;

pub(super) use document::{Columns, Document};
pub(super) use reported::Reported;
pub(super) use table::{Cell, Table};

/// The output of a command, written at its end; errors and warnings go to standard error at once.
#[derive(Debug)]
pub(super) struct Output {
    format: OutputFormat,
    text: String,
    reports: Reports,
    exit: Exit,
}

/// What happens to errors and warnings.
#[derive(Debug)]
enum Reports {
    /// They go to standard error.
    Printed,
    /// They are a part of the command's document.
    Kept(Vec<Reported>),
}

impl Output {
    pub(super) fn new(format: OutputFormat) -> Self {
        Self {
            format,
            text: String::new(),
            reports: Reports::Printed,
            exit: Exit::Success,
        }
    }

    /// For a command whose output consists of errors and warnings.
    pub(super) fn of_reports(format: OutputFormat) -> Self {
        Self {
            reports: Reports::Kept(Vec::new()),
            ..Self::new(format)
        }
    }

    /// What was written, then the errors and warnings that were kept, without colours.
    pub(super) fn into_text(mut self) -> String {
        let reports = self.take_reports();
        let reports = reports.iter().map(|report| format!("{report}\n"));
        anstream::adapter::strip_str(&self.text).to_string() + &reports.collect::<String>()
    }

    /// The errors and warnings that were kept; further ones go to standard error.
    pub(super) fn take_reports(&mut self) -> Vec<Reported> {
        match std::mem::replace(&mut self.reports, Reports::Printed) {
            Reports::Kept(reports) => reports,
            Reports::Printed => Vec::new(),
        }
    }

    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        // The line may have texts of providers and names from the node.
        let _ = writeln!(self.text, "{:#}", Escaped(&line.to_string()));
    }

    /// A JSON value, with characters that a terminal interprets escaped as JSON has it.
    pub(super) fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(json) => self.text += &(json_escaped(&json) + "\n"),
            Err(error) => self.error(&Error::from_std(&error)),
        }
    }

    /// Text that another program reads, or that is escaped already.
    pub(super) fn raw(&mut self, text: &str) {
        self.text += text;
    }

    pub(super) fn error(&mut self, error: &impl Hint) {
        self.report(Reported::error(error));
        self.fail();
    }

    pub(super) fn warning(&mut self, warning: &impl Hint) {
        self.report(Reported::warning(warning));
    }

    /// Prints or keeps an error or a warning.
    pub(super) fn report(&mut self, report: Reported) {
        match &mut self.reports {
            Reports::Kept(reports) => reports.push(report),
            Reports::Printed => anstream::eprintln!("{}", style::report(&report)),
        }
    }

    /// Makes the exit code that of a failure, for a line about something wrong or unknown.
    pub(super) fn fail(&mut self) {
        self.exit = Exit::Failure;
    }

    /// The command got no answer.
    pub(super) fn no_answer(&mut self, error: &impl Hint) {
        self.report(Reported::error(error));
        self.exit = Exit::Usage;
    }

    pub(super) fn is_good(&self) -> bool {
        self.exit == Exit::Success
    }

    /// Writes the output. A closed pipe is no failure.
    pub(super) fn print(mut self) -> Exit {
        for report in self.take_reports() {
            anstream::eprintln!("{}", style::report(&report));
        }
        let mut output = anstream::stdout();
        let written = output.write_all(self.text.as_bytes());
        match written.and_then(|()| output.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                let error = Error::from_std(&error).context("cannot write the output");
                anstream::eprintln!("{}", style::report(&Report::error(&error)));
                Exit::Failure
            }
            _ => self.exit,
        }
    }
}

/// The text of a JSON value without characters that a terminal interprets.
fn json_escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_unsafe(c) {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}
