//! Instructions instead of time: they are the same on a busy machine, so a change can be compared with a record.
//!
//! Each case runs in a process of its own under valgrind's callgrind, once and a second time with more repetitions; the
//! difference is what the repetitions took. The inputs are the same in each run.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use tokio::process::Command;

use crate::cases::{CASES, Case};
use crate::start::Node;
use crate::{LARGE, machine};

/// A case differs from its record by more than this part of it, in percent.
const TOLERANCE: f64 = 10.0;
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.json");

/// The recorded numbers, and what they depend on.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Record {
    recorded_with: BTreeMap<String, String>,
    instructions: BTreeMap<String, u64>,
}

impl Record {
    /// Without numbers.
    fn here() -> Self {
        let with = [
            (
                "target",
                format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            ),
            ("compiler", machine::compiler()),
            ("C library", machine::c_library()),
            ("valgrind", machine::output("valgrind", &["--version"])),
        ];
        Self {
            recorded_with: with.map(|(name, value)| (name.to_owned(), value)).into(),
            instructions: BTreeMap::new(),
        }
    }
}

/// Compares each case with its record.
///
/// # Errors
///
/// When a case differs by more than the tolerance, or cannot be counted.
pub(crate) async fn check() -> anyhow::Result<()> {
    if !is_valgrind_there().await {
        println!("skipped: valgrind is not installed (Debian: `apt-get install valgrind`)");
        return Ok(());
    }
    let text = std::fs::read_to_string(RECORD).with_context(|| RECORD)?;
    let recorded: Record = serde_json::from_str(&text).with_context(|| RECORD)?;
    let here = Record::here();
    for (name, was) in &recorded.recorded_with {
        let now = &here.recorded_with[name];
        if was != now {
            println!(
                "skipped: recorded for {name} {was}, and here it is {now}; `make bench-record-instructions` records anew"
            );
            return Ok(());
        }
    }
    let mut different = 0;
    println!(
        "{:>14} {:>14} {:>8}  instructions of",
        "recorded", "now", "change"
    );
    for (name, now) in count_all().await? {
        let Some(&was) = recorded.instructions.get(&name) else {
            println!("{:>14} {now:>14} {:>8}  {name}", "-", "new");
            different += 1;
            continue;
        };
        let change = (now as f64 / was as f64 - 1.0) * 100.0;
        let verdict = if change.abs() > TOLERANCE {
            "  <- differs"
        } else {
            ""
        };
        println!("{was:>14} {now:>14} {change:>+7.1}%  {name}{verdict}");
        different += usize::from(!verdict.is_empty());
    }
    ensure!(
        different == 0,
        "{different} of the cases above differ from their record by more than {TOLERANCE} %; if the change is worth it, \
         `make bench-record-instructions` records the new numbers"
    );
    Ok(())
}

/// Writes the record.
pub(crate) async fn record() -> anyhow::Result<()> {
    ensure!(is_valgrind_there().await, "valgrind is not installed");
    let mut record = Record::here();
    record.instructions = count_all().await?.into_iter().collect();
    let text = serde_json::to_string_pretty(&record)? + "\n";
    print!("{text}");
    std::fs::write(RECORD, text).with_context(|| RECORD)
}

async fn is_valgrind_there() -> bool {
    let run = Command::new("valgrind").arg("--version").output().await;
    run.is_ok_and(|output| output.status.success())
}

async fn count_all() -> anyhow::Result<Vec<(String, u64)>> {
    let mut counts = Vec::new();
    let node = Node::write(LARGE)?;
    for Case { name, .. } in CASES {
        let mut totals = Vec::new();
        for times in ["1", "2"] {
            let counted = Callgrind::new()?;
            let mut command = Command::new("valgrind");
            command.args(counted.options());
            command.arg(std::env::current_exe()?);
            let run = command
                .args(["case", name, times])
                .arg(node.root())
                .output();
            let run = run.await?;
            if !run.status.success() {
                bail!("{name}: {}", String::from_utf8_lossy(&run.stderr));
            }
            totals.push(counted.total()?);
        }
        counts.push((name.to_owned(), totals[1] - totals[0]));
    }
    Ok(counts)
}

/// A run under callgrind, and the file that it writes.
struct Callgrind {
    output: tempfile::NamedTempFile,
}

impl Callgrind {
    fn new() -> anyhow::Result<Self> {
        let output = tempfile::NamedTempFile::new()?;
        Ok(Self { output })
    }

    fn options(&self) -> Vec<String> {
        let output = self.output.path().display();
        vec![
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={output}"),
            "-q".to_owned(),
        ]
    }

    /// The line `totals: 12345`.
    fn total(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(self.output.path())?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        Ok(total
            .context("callgrind has not written a total")?
            .parse()?)
    }
}
