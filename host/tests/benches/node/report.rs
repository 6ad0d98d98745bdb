//! The results as Markdown tables: a row for each quantity, a column for each program, and their ratio.
#![allow(
    clippy::print_stdout,
    reason = "the tables are what this program is for"
)]

use std::time::Duration;

use crate::measure::Samples;
use crate::process::Snapshot;

/// A table: what was measured, and how.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// The unit of a quantity.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Milliseconds,
    Microseconds,
    Megabytes,
    Count,
}

impl Table {
    /// A table with one column, or with a peer's and the ratio besides.
    pub(crate) fn new(programs: usize) -> Self {
        let columns = ["", "this build", "peer", "peer / this build"];
        Self {
            columns: columns[..if programs > 1 { 4 } else { 2 }].to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row: `value` of each program that did not fail on the node.
    pub(crate) fn compare(
        &mut self,
        name: impl Into<String>,
        unit: Unit,
        programs: &[Option<&Samples>],
        value: impl Fn(&Samples) -> Option<f64>,
    ) {
        let values: Vec<_> = programs.iter().map(|p| p.and_then(&value)).collect();
        self.row(name, unit, &values);
    }

    /// Adds a row with a value for each program, in seconds, kilobytes or as a number.
    pub(crate) fn row(&mut self, name: impl Into<String>, unit: Unit, values: &[Option<f64>]) {
        let mut row = vec![name.into()];
        row.extend(values.iter().map(|value| match value {
            Some(value) => unit.text(*value),
            None => "-".to_owned(),
        }));
        if let [Some(ours), Some(peer)] = values
            && *ours > 0.0
        {
            row.push(format!("{:.2}x", peer / ours));
        }
        row.resize(self.columns.len(), "-".to_owned());
        self.rows.push(row);
    }

    /// Prints it below its title and the sentence on how it was measured.
    pub(crate) fn print(&self, title: &str, how: &str) {
        println!("\n### {title}\n\n{how}\n");
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells
                .max()
                .unwrap_or(0)
                .max(self.columns[column].len())
                .max(4)
        };
        let line = |cells: Vec<String>| {
            let cells = cells.iter().enumerate().map(|(n, cell)| match n {
                0 => format!("{cell:<0$}", width(n)),
                _ => format!("{cell:>0$}", width(n)),
            });
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
        };
        line(self.columns.iter().map(|&title| title.to_owned()).collect());
        line(
            (0..self.columns.len())
                .map(|n| match n {
                    0 => "-".repeat(width(n)),
                    _ => format!("{}:", "-".repeat(width(n) - 1)),
                })
                .collect(),
        );
        self.rows.iter().cloned().for_each(line);
    }
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::Milliseconds => format!("{:.1} ms", value * 1e3),
            Self::Microseconds => format!("{:.0} us", value * 1e6),
            Self::Megabytes => format!("{:.2} MB", value / 1024.0),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// What all but `100 - percent` in a hundred are below, in seconds.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> Option<f64> {
    let mut times = times.to_vec();
    times.sort_unstable();
    Some(times.get(times.len() * percent / 100)?.as_secs_f64())
}

/// The median of a number of several starts.
pub(crate) fn median(starts: &[Snapshot], value: impl Fn(&Snapshot) -> u64) -> Option<f64> {
    let mut values: Vec<u64> = starts.iter().map(value).collect();
    values.sort_unstable();
    Some(count(*values.get(values.len() / 2)?))
}

/// Nothing that is counted here comes near the numbers that a float cannot represent.
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}
