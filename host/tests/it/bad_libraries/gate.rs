//! A gate, at which a provider waits in a call.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;

use super::runtime_faults::CONFIG;
use crate::test_node::{CAPTURED, RegistrationMode, TestNode, built};

/// A node with a provider that waits in a call until the gate is opened and closed.
pub(super) fn with_gate(fault: &str) -> (TestNode, PathBuf) {
    let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    let gate = node.root().join("gate");
    let (kind, mode) = (FileType::Fifo, Mode::RUSR | Mode::WUSR);
    mknodat(CWD, &gate, kind, mode, 0).unwrap();
    node.environment("FAULTY_PROVIDER", fault);
    node.environment("FAULTY_GATE", gate.to_str().unwrap());
    (node, gate)
}

/// The open gate, once a provider is in front of it: without its reader it cannot be opened. A thread that waits for the
/// reader could not be cancelled, and so the test would not end.
pub(super) async fn reached(gate: &Path) -> File {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut queries = tokio::time::interval(Duration::from_millis(5));
    let opened = async {
        loop {
            match open(gate, flags, Mode::empty()) {
                Err(Errno::NXIO) => drop(queries.tick().await),
                opened => return File::from(opened.unwrap()),
            }
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(30), opened).await;
    reached.expect("a provider in front of the gate")
}
