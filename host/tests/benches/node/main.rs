//! What the daemon of this build needs on nodes of different sizes, as a table for a person.
//!
//! The daemon and the provider files are those that the build made, the node is a directory in memory, and the kubelet
//! is the fake one in this process, with its plugin watcher at a quick pace. `BENCH_QUICK=1` measures the smallest
//! and the largest node only, and those less often. `PEER=FILE` measures another plugin beside it, one with the Go
//! plugin's options.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "it is run to be read")]

mod built;
mod checks;
mod measure;
mod notice;
mod peer;
mod process;
mod program;
mod report;
mod start;
mod syscalls;
mod tree;

use std::time::Duration;

use anyhow::Context;
use measure::{Effort, Row, measure};
use peer::Peer;
use program::{Ours, Program};
use start::Node;
use tree::Size;

const SIZES: [Size; 6] = [
    Size { vfs: 16, pools: 1 },
    Size {
        vfs: 128,
        pools: 64,
    },
    Size {
        vfs: 1024,
        pools: 1,
    },
    Size {
        vfs: 1024,
        pools: 64,
    },
    Size {
        vfs: 4096,
        pools: 1,
    },
    Size {
        vfs: 4096,
        pools: 64,
    },
];
const QUICK_SIZES: [Size; 2] = [SIZES[0], SIZES[5]];

const THOROUGH: Effort = Effort {
    starts: 5,
    calls: 2000,
    changes: 100,
    idle: Duration::from_mins(1),
};
const QUICK: Effort = Effort {
    starts: 1,
    calls: 200,
    changes: 20,
    idle: Duration::from_secs(1),
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let quick = std::env::var_os("BENCH_QUICK").is_some_and(|value| value == "1");
    let (sizes, effort) = if quick {
        (&QUICK_SIZES[..], QUICK)
    } else {
        (&SIZES[..], THOROUGH)
    };
    let ours = Ours::find()?;
    checks::print(&ours).await?;
    let providers = ours.parts().1.to_owned();
    let ours = Program::Ours(ours);
    let peer = peer().await;
    explain(effort).await;
    report::print_head();
    for &size in sizes {
        let node = Node::write(size)?;
        let row = measure_and_print(&ours, &node, effort).await?;
        if let Some(peer) = &peer {
            let other = measure_and_print(peer, &node, effort).await?;
            report::print_ratio(size, &row, &other);
        }
    }
    report::print_notice_head();
    for size in [sizes[0], sizes[sizes.len() - 1]] {
        let node = Node::write(size)?;
        let noticed = notice::measure(&node, &providers, effort.changes).await?;
        report::print_notice(size, effort.changes, &noticed);
    }
    Ok(())
}

async fn measure_and_print(program: &Program, node: &Node, effort: Effort) -> anyhow::Result<Row> {
    let row = measure(program, node, effort).await;
    let row = row.with_context(|| {
        let (name, log) = (program.name(), node.end_of_log());
        format!(
            "cannot measure the {name} on {:?}, whose log ends so: {log}",
            node.size
        )
    })?;
    report::print_row(program.name(), node.size, &row);
    Ok(row)
}

async fn peer() -> Option<Program> {
    let file = std::env::var_os("PEER")?;
    match Peer::find(file.into()).await {
        Ok(peer) => Some(Program::Peer(peer)),
        Err(error) => {
            println!("The peer is left out: {error:#}\n");
            None
        }
    }
}

async fn explain(effort: Effort) {
    let Effort {
        starts,
        calls,
        idle,
        ..
    } = effort;
    println!(
        "scanned: until the first socket is there; ready: until the last pool is registered and listed\n\
         \x20        (both the median of {starts} starts, with a kubelet that scans every 5 ms on the same CPUs)\n\
         CPU, RSS, anon, shmem, peak, threads, reads, syscalls: when ready; used: RSS after the calls of Allocate\n\
         Allocate: {calls} calls for one device each, one after the other, through the kubelet's tonic client;\n\
         \x20        its CPU time is the program's share of one call\n\
         idle: context switches and CPU time in {idle:?} after that"
    );
    if !syscalls::can_be_counted().await {
        println!("syscalls: not measured, there is no strace that works");
    }
    println!();
}
