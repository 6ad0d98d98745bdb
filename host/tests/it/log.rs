//! What is logged, and what never is.

use std::io::{PipeReader, PipeWriter, Read};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, built};

#[tokio::test]
async fn provider_log_reaches_the_host_log() {
    let config = r#"{"resourceList": [{"resourceName": "x", "deviceType": "faulty", "selectors": {"anything": ["a", "b"]}}]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    let daemon = node.daemon_with(&["--log-level", "debug"]);
    daemon
        .logs("provider_log")
        .with("level", "DEBUG")
        .with("provider", "sriovdp-faulty-provider")
        .containing("message", "2 values")
        .await;
}

#[tokio::test]
async fn no_value_of_additional_info_is_logged() {
    let config = r#"{"resourceList": [
        {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}, "additionalInfo": {"*": {"token": "s3cret"}}},
        {"resourceName": "b", "selectors": {"pfNames": 5}, "additionalInfo": {"*": {"token": "s3cret"}}}
    ]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon_with(&["--log-level", "trace"]);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    let container = kubelet
        .allocate("intel.com/a", &["0000:41:10.0"])
        .await
        .unwrap();
    assert!(
        container.envs["PCIDEVICE_INTEL_COM_A_INFO"].contains("s3cret"),
        "the container gets it"
    );
    daemon.signal(Signal::TERM);
    daemon.ended().await;
    assert!(!daemon.log().contains("s3cret"), "{}", daemon.log());
}

#[tokio::test]
async fn unchanged_reconcile_logs_nothing() {
    let config = r#"{"resourceList": [
        {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}},
        {"resourceName": "typo", "selectors": {"pfName": ["eth2"]}}
    ]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    daemon.logs("registered").await;
    daemon.signal(Signal::HUP);
    // The second reconcile is over when a third one has a change.
    daemon.logs("rescan_requested").await;
    node.change("vf 0000:41:11.0 8086:10ca pf=0000:41:00.0 id=4 driver=igbvf");
    daemon.signal(Signal::HUP);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 5)
        .await
        .unwrap();
    daemon.logs("pool_published").with("devices", 5).await;
    for query in [
        daemon.logs("resource_refused"),
        daemon.logs("pool_published").with("devices", 4),
        daemon
            .logs("provider_loaded")
            .with("provider", "net-device.so"),
    ] {
        assert_eq!(query.now().len(), 1, "{query}: {}", daemon.log());
    }
}

/// Writes until the pipe is full, and returns how much that was.
fn fill(pipe: &PipeWriter) -> usize {
    rustix::io::ioctl_fionbio(pipe, true).unwrap();
    let writes = std::iter::from_fn(|| rustix::io::write(pipe, &[b'\n'; 4096]).ok());
    let size = writes.sum();
    rustix::io::ioctl_fionbio(pipe, false).unwrap();
    size
}

/// What is in the pipe, as soon as there is something.
fn read_in_time(pipe: &mut PipeReader) -> String {
    let limit = Timespec::try_from(Duration::from_secs(30)).unwrap();
    let mut files = [PollFd::new(&*pipe, PollFlags::IN)];
    assert_eq!(poll(&mut files, Some(&limit)), Ok(1), "nothing to read");
    let mut bytes = [0; 4096];
    let length = pipe.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[tokio::test]
async fn reader_that_stops_neither_stops_the_daemon_nor_its_end() {
    let config = r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    let kubelet = node.kubelet().await;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let size = fill(&writer);
    let stderr = writer.try_clone().unwrap();
    let mut daemon = node.daemon_with_stderr(node.command(&[]), stderr);
    let served = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 4);
    served.await.unwrap();
    let allocated = kubelet.allocate("intel.com/a", &["0000:41:10.0"]);
    allocated.await.unwrap();
    // The reader is back, and the number of lines that it missed follows the next line.
    reader.read_exact(&mut vec![0; size]).unwrap();
    daemon.signal(Signal::HUP);
    let mut text = String::new();
    while !text.contains(r#""event":"log_lines_lost""#) {
        text.push_str(&read_in_time(&mut reader));
    }
    fill(&writer);
    daemon.terminates_cleanly().await;
}
