//! What the daemon of this build needs on nodes of different sizes, as tables for a person.
//!
//! The daemon and the provider files are those that the build made, the node is a directory in memory, and the kubelet
//! is the fake one in this process, with its plugin watcher at a quick pace. `PEER` measures another program beside it:
//! a directory with another build of this one, or the command of another plugin with the Go plugin's options.
//! `BENCH_QUICK=1` measures less often.
//!
//! With `check` or `record` as its argument it counts instructions instead: see [`instructions`].
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "it is run to be read")]

mod cases;
mod instructions;
mod machine;
mod measure;
mod notice;
mod process;
mod program;
mod report;
mod start;
mod syscalls;
mod tree;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use measure::{Effort, Extent, SETTLE, Samples, measure};
use program::{Build, Program};
use report::{Table, Unit, count, median, percentile};
use start::Node;
use tree::Size;

const SMALL: Size = Size { vfs: 16, pools: 1 };
const MIDDLE: Size = Size {
    vfs: 128,
    pools: 64,
};
pub(crate) const LARGE: Size = Size {
    vfs: 4096,
    pools: 64,
};
const SIZES: [(Size, Extent); 4] = [
    (SMALL, Extent::Start),
    (Size { vfs: 128, pools: 1 }, Extent::Start),
    (MIDDLE, Extent::Calls),
    (LARGE, Extent::SystemCallsAndIdle),
];

const THOROUGH: Effort = Effort {
    starts: 9,
    calls: 500,
    changes: 100,
    // The resync timer is 60 s, of which `SETTLE` are over.
    idle: Duration::from_secs(40),
};
const QUICK: Effort = Effort {
    starts: 3,
    calls: 100,
    changes: 20,
    idle: Duration::from_secs(1),
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` starts it in the directory of the package; paths are relative to that of `make`.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))?;
    // `cargo bench` adds an option.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|w| w != "--bench")
        .collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => print_all().await,
        ["check"] => instructions::check().await,
        ["record"] => instructions::record().await,
        ["case", name, times, root] => cases::run(name, times.parse()?, Path::new(root)),
        _ => anyhow::bail!("the arguments are none, `check` or `record`"),
    }
}

async fn print_all() -> anyhow::Result<()> {
    let is_quick = std::env::var_os("BENCH_QUICK").is_some_and(|value| value == "1");
    let effort = if is_quick { QUICK } else { THOROUGH };
    println!("{}", machine::describe());
    let mut programs = vec![Program::Build(Build::this()?)];
    if let Ok(peer) = std::env::var("PEER") {
        match Program::peer(&peer).await {
            Ok(program) => {
                println!("The peer is `{peer}`.");
                programs.push(program);
            }
            Err(error) => println!("The peer `{peer}` is not measured: {error:#}."),
        }
    }
    let mut all = Vec::new();
    for (size, extent) in SIZES {
        let mut results = measure(&programs, size, extent, effort).await?;
        if let Some(Err(error)) = results.get(1) {
            println!("The peer is not measured with {size}: {error:#}.");
        }
        let peer = results.drain(1..).next().and_then(Result::ok);
        let ours = results.remove(0);
        all.push((size, [Some(ours.with_context(|| size.to_string())?), peer]));
    }
    let all: Vec<(Size, Vec<Option<&Samples>>)> = all
        .iter()
        .map(|(size, of)| {
            (
                *size,
                of[..programs.len()].iter().map(Option::as_ref).collect(),
            )
        })
        .collect();
    print_starts(&all, effort);
    print_calls(&all[2].1, effort);
    print_memory(&all);
    print_idle(&all[3].1, effort);
    print_noticed(effort).await
}

fn print_starts(all: &[(Size, Vec<Option<&Samples>>)], effort: Effort) {
    let mut table = Table::new(all[0].1.len());
    for (size, programs) in all {
        table.compare(size.to_string(), Unit::Milliseconds, programs, |s| {
            percentile(&s.starts, 50)
        });
    }
    let (size, programs) = &all[all.len() - 1];
    table.compare(
        format!("CPU time, {size}"),
        Unit::Milliseconds,
        programs,
        |s| {
            // In hundredths of a second.
            let cpu: Vec<Duration> = s.serving.iter().map(|serving| serving.cpu).collect();
            percentile(&cpu, 50)
        },
    );
    table.compare(
        format!("system calls, {size}"),
        Unit::Count,
        programs,
        |s| s.system_calls.map(count),
    );
    table.print(
        "Start",
        &format!(
            "From the start of the process until the last pool is registered and its devices are listed, with a kubelet that \
             scans for sockets every 5 ms (a real one: every second): the median of {} starts.",
            effort.starts
        ),
    );
}

fn print_calls(programs: &[Option<&Samples>], effort: Effort) {
    let mut table = Table::new(programs.len());
    let mut row = |name: &str, times: fn(&Samples) -> &[Duration]| {
        for percent in [50, 99] {
            let name = format!("{name}, p{percent}");
            table.compare(name, Unit::Microseconds, programs, |s| {
                percentile(times(s), percent)
            });
        }
    };
    row("GetDevicePluginOptions (empty call: the floor)", |s| {
        &s.empty
    });
    row("Allocate, netdev, first time", |s| &s.netdev.first);
    row("Allocate, netdev, again", |s| &s.netdev.again);
    row("Allocate, vfio, first time", |s| &s.vfio.first);
    row("Allocate, vfio, again", |s| &s.vfio.again);
    table.print(
        "Calls",
        &format!(
            "{MIDDLE}; one call after the other, each for one device, from the request until the response is read by a \
             kubelet in another process; {} starts with {} calls of each kind, and with one first call for each device. The \
             first call for a device writes its files.",
            effort.starts, effort.calls
        ),
    );
}

fn print_memory(all: &[(Size, Vec<Option<&Samples>>)]) {
    let mut table = Table::new(all[0].1.len());
    for (size, programs) in all
        .iter()
        .filter(|(size, _)| [MIDDLE, LARGE].contains(size))
    {
        let mut row = |name: &str, value: fn(&process::Snapshot) -> u64| {
            let name = format!("{name}, {size}");
            table.compare(name, Unit::Megabytes, programs, |s| {
                median(&s.serving, value)
            });
        };
        row("resident", |s| s.resident_kb);
        row("private", |s| s.anonymous_kb + s.shared_kb);
        row("resident at most", |s| s.peak_kb);
        let mut row = |name: &str, value: fn(&process::Snapshot) -> u64| {
            let name = format!("{name} after {SETTLE:?}, {size}");
            table.compare(name, Unit::Megabytes, programs, |s| {
                median(s.settled.as_slice(), value)
            });
        };
        row("resident", |s| s.resident_kb);
        row("private", |s| s.anonymous_kb + s.shared_kb);
    }
    table.compare(
        format!("resident after the calls, {MIDDLE}"),
        Unit::Megabytes,
        &all[2].1,
        |s| median(&s.used, |used| used.resident_kb),
    );
    table.print(
        "Memory",
        "When all pools are listed; the median of the starts. Resident is VmRSS, which includes file pages that other \
         processes share; private is RssAnon + RssShmem, the sealed copies of provider files included; at most is VmHWM.",
    );
}

fn print_idle(programs: &[Option<&Samples>], effort: Effort) {
    let mut table = Table::new(programs.len());
    table.compare("context switches", Unit::Count, programs, |s| {
        Some(count(s.idle?.switches))
    });
    table.compare("CPU time", Unit::Milliseconds, programs, |s| {
        Some(s.idle?.cpu.as_secs_f64())
    });
    let resync = format!("CPU time of the next {:?}", effort.idle);
    table.compare(&*resync, Unit::Milliseconds, programs, |s| {
        Some(s.resync?.as_secs_f64())
    });
    table.compare(
        "threads when all pools are listed",
        Unit::Count,
        programs,
        |s| median(&s.serving, |serving| serving.threads),
    );
    table.print(
        "Idle",
        &format!(
            "{LARGE}, {:?} without events, from {SETTLE:?} after the start; after as long again, with the reconcile of the \
             resync timer.",
            effort.idle
        ),
    );
}

async fn print_noticed(effort: Effort) -> anyhow::Result<()> {
    let mut table = Table::new(1);
    let build = Build::this()?;
    for size in [SMALL, LARGE] {
        let node = Node::write(size)?;
        let noticed = match notice::measure(&node, build.providers(), effort.changes).await {
            Ok(noticed) => noticed,
            Err(error) => {
                println!("\nChanges are not measured with {size}: {error:#}.");
                continue;
            }
        };
        for (what, times) in [("added", &noticed.comes), ("removed", &noticed.goes)] {
            for percent in [50, 99] {
                let name = format!("VF {what}, {size}, p{percent}");
                table.row(name, Unit::Milliseconds, &[percentile(times, percent)]);
            }
        }
    }
    table.print(
        "Changes of the node",
        &format!(
            "From the event of one virtual function until the kubelet has the new list, {} times; the daemon runs in the \
             process of the benchmark, and a peer cannot be measured.",
            effort.changes
        ),
    );
    Ok(())
}
