//! The table that a person reads: one row for each program and node, and the ratio of two programs.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::time::Duration;

use crate::measure::Row;
use crate::notice::Noticed;
use crate::tree::Size;

struct Column {
    /// What it is, and of what or in what.
    title: [&'static str; 2],
    width: usize,
    decimals: usize,
    value: fn(&Row, Size) -> Option<f64>,
}

const COLUMNS: &[Column] = &[
    column(["scanned", "ms"], 8, 0, |row, _| {
        Some(milliseconds(row.scanned))
    }),
    column(["ready", "ms"], 6, 0, |row, _| {
        Some(milliseconds(row.ready))
    }),
    column(["CPU", "ms"], 6, 0, |row, _| {
        Some(milliseconds(row.serving.cpu))
    }),
    column(["RSS", "MB"], 7, 2, |row, _| {
        Some(megabytes(row.serving.resident_kb))
    }),
    column(["anon", "MB"], 7, 2, |row, _| {
        Some(megabytes(row.serving.anonymous_kb))
    }),
    column(["shmem", "MB"], 7, 2, |row, _| {
        Some(megabytes(row.serving.shared_kb))
    }),
    column(["peak", "MB"], 7, 2, |row, _| {
        Some(megabytes(row.serving.peak_kb))
    }),
    column(["used", "MB"], 7, 2, |row, _| {
        Some(megabytes(row.used.resident_kb))
    }),
    column(["threads", ""], 8, 0, |row, _| {
        Some(count(row.serving.threads))
    }),
    column(["reads", ""], 7, 0, |row, _| Some(count(row.serving.reads))),
    column(["syscalls", ""], 9, 0, |row, _| row.system_calls.map(count)),
    column(["", "per VF"], 7, 1, |row, size| {
        Some(count(row.system_calls?) / size.vfs as f64)
    }),
    column(["Allocate", "p50 us"], 9, 0, |row, _| {
        Some(microseconds(row.allocate.median))
    }),
    column(["", "p99 us"], 7, 0, |row, _| {
        Some(microseconds(row.allocate.slow))
    }),
    column(["", "CPU us"], 7, 0, |row, _| {
        Some(microseconds(row.cpu_of_a_call))
    }),
    column(["idle", "switches"], 9, 0, |row, _| {
        Some(count(row.idle.switches))
    }),
    column(["", "CPU us"], 7, 0, |row, _| {
        Some(microseconds(row.idle.cpu))
    }),
];

/// Prints what stands above the rows.
pub(crate) fn print_head() {
    for line in 0..2 {
        let titles = ["VFs", "pools"].map(|title| if line == 0 { title } else { "" });
        print!("{:>5}{:>6}  {:<8}", titles[0], titles[1], "");
        for column in COLUMNS {
            print!("{:>1$}", column.title[line], column.width);
        }
        println!();
    }
}

/// Prints one row.
pub(crate) fn print_row(name: &str, size: Size, row: &Row) {
    print_line(name, size, |column| {
        (column.value)(row, size).map(|value| format!("{value:.0$}", column.decimals))
    });
}

/// Prints how many times as much `other` needs as `ours`.
pub(crate) fn print_ratio(size: Size, ours: &Row, other: &Row) {
    print_line("ratio", size, |column| {
        let (ours, other) = ((column.value)(ours, size)?, (column.value)(other, size)?);
        (ours > 0.0).then(|| format!("{:.1}x", other / ours))
    });
}

/// Prints what stands above the lines about changes.
pub(crate) fn print_notice_head() {
    println!(
        "\nnoticed: from the event of one virtual function to its list at the kubelet, the daemon in this process"
    );
}

/// Prints how soon changes were noticed.
pub(crate) fn print_notice(size: Size, changes: usize, noticed: &Noticed) {
    for (what, took) in [("comes", &noticed.comes), ("goes", &noticed.goes)] {
        println!(
            "{:>5}{:>6}  {what:<6} p50 {:.1} ms, p99 {:.1} ms, of {changes}",
            size.vfs,
            size.pools,
            milliseconds(took.median),
            milliseconds(took.slow)
        );
    }
}

fn print_line(name: &str, size: Size, cell: impl Fn(&Column) -> Option<String>) {
    print!("{:>5}{:>6}  {name:<8}", size.vfs, size.pools);
    for column in COLUMNS {
        print!(
            "{:>1$}",
            cell(column).as_deref().unwrap_or("-"),
            column.width
        );
    }
    println!();
}

const fn column(
    title: [&'static str; 2],
    width: usize,
    decimals: usize,
    value: fn(&Row, Size) -> Option<f64>,
) -> Column {
    Column {
        title,
        width,
        decimals,
        value,
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn megabytes(kilobytes: u64) -> f64 {
    count(kilobytes) / 1024.0
}

/// Nothing that is counted here comes near what a float cannot hold.
fn count(number: u64) -> f64 {
    number as f64
}
