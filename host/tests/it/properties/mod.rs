//! What holds for every configuration, tried with the real program on generated ones.

mod accepted;
mod any_json;
mod assignment;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::test_node::{RegistrationMode, TestNode, built};

/// Each run is a process, so a few with much in them.
const RUNS: u32 = 24;

/// Runs a command of the program for each of the generated configurations on a node, and gives exit code, standard
/// output and standard error to `holds`.
fn for_each<S: Strategy>(
    node: &str,
    arguments: &[&str],
    configurations: &S,
    text: impl Fn(&S::Value) -> String,
    holds: impl Fn(&S::Value, Option<i32>, &str, &str),
) {
    let node = TestNode::new(node, RegistrationMode::Watcher);
    node.provide("mellanox-rdma", &built("sriovdp_mellanox_rdma"));
    node.provide("intel-ddp", &built("sriovdp_intel_ddp"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: RUNS,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    // The same configurations each time, by the seed in `.cargo/config.toml`: a failure is one of what was changed.
    let mut runner = TestRunner::new(config);
    let tried = runner.run(configurations, |configuration| {
        node.configure(&text(&configuration));
        let (code, output, errors) = runtime.block_on(node.run(arguments));
        holds(&configuration, code, &output, &errors);
        Ok(())
    });
    if let Err(failure) = tried {
        panic!("{failure}");
    }
}
