//! Colours of what the program prints. `anstream` removes them where the output is no terminal, or `NO_COLOR` is set.

use std::fmt;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};

use crate::cli::Color;

/// Of a word that names a failure.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Of a warning.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Of what is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Of a hint.
pub const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// Of headings.
pub const HEADING: Style = Style::new().bold();

/// The words that lines of a report begin with.
const WORDS: [(&str, Style); 5] = [
    ("error:", BAD),
    ("warning:", WARNING),
    ("note:", HINT),
    ("Caused by:", HEADING),
    ("hint:", HINT),
];

/// What the option `--color` means for the streams of this process.
pub fn choose(color: Color) {
    let choice = match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    choice.write_global();
}

/// Whether what is written to `stream` keeps its colours.
pub fn has_colors(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// A report with its words in colour.
#[must_use]
pub fn report(report: &impl fmt::Display) -> String {
    let text = report.to_string();
    let lines = text.split('\n').map(|line| {
        let found = WORDS.iter().find_map(|(word, style)| {
            let rest = line.strip_prefix(word)?;
            Some(format!("{style}{word}{style:#}{rest}"))
        });
        found.unwrap_or_else(|| line.to_owned())
    });
    lines.collect::<Vec<_>>().join("\n")
}
