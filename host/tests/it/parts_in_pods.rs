//! Parts of functions that pods have, while the provider of the parts has not answered.

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use sriovdp_fake_kubelet::{Event, EventKind};

use crate::pod_devices::counts;
use crate::test_node::{RegistrationMode, TestNode, built};

/// Two parts of one function, whose provider answers when the gate opens, and a device type of whole functions.
#[tokio::test]
async fn no_pool_gets_a_function_before_the_provider_of_parts_in_pods_has_answered() {
    const PART: &str = "0000:7f:00.0.1";
    let config = r#"{"resourceList": [
        {"resourceName": "part", "deviceType": "faulty"},
        {"resourceName": "whole", "deviceType": "accelerator"}
    ]}"#;
    let function = "pci 0000:7f:00.0 f0f0:0001 class=120000 driver=fpga";
    let mut node = TestNode::with_config(function, RegistrationMode::Watcher, config);
    for (name, library) in [
        ("faulty", "sriovdp_faulty_provider"),
        ("accelerator", "sriovdp_accelerator"),
    ] {
        node.provide(name, &built(library));
    }
    node.environment("FAULTY_PROVIDER", "discover=2");
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    counts(&kubelet, "intel.com/part", 2, 2).await;
    counts(&kubelet, "intel.com/whole", 0, 0).await;
    let pod = kubelet.run_pod_with("one", "intel.com/part", &[PART]);
    pod.await.unwrap();
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.success());

    let gate = node.root().join("gate");
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, &gate, FileType::Fifo, mode, 0).unwrap();
    node.environment("FAULTY_PROVIDER", "discover=wait-2");
    node.environment("FAULTY_GATE", gate.to_str().unwrap());
    let daemon = node.daemon();
    let pending = daemon.logs("resource_pending");
    pending.with("resource", "intel.com/whole").await;
    let open = move || std::fs::File::options().write(true).open(gate);
    tokio::task::spawn_blocking(open).await.unwrap().unwrap();
    counts(&kubelet, "intel.com/part", 2, 2).await;
    counts(&kubelet, "intel.com/whole", 0, 0).await;
    let listed = |event: &Event| match &event.kind {
        EventKind::Listed {
            resource, devices, ..
        } => resource == "intel.com/whole" && *devices > 0,
        _ => false,
    };
    assert!(!kubelet.journal().iter().any(listed));
    assert_eq!(kubelet.violations(), [""; 0]);
}
