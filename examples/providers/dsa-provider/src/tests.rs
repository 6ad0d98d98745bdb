//! The device type on a node made of text.

use sriovdp_sdk::{Finding, FindingKind};
use sriovdp_sdk_testing::{conformance, json, Harness};

use crate::WorkQueues;

/// A DSA with two queues for programs and one for the kernel, and an IAX.
const NODE: &str = "
    pci 0000:6a:01.0 8086:0b25 class=088000 driver=idxd numa=1
    pci 0000:6a:02.0 8086:0cfe class=088000 driver=idxd
    link /sys/bus/dsa/devices/dsa0 ../../../devices/pci0000:6a/0000:6a:01.0/dsa0
    link /sys/bus/dsa/devices/wq0.{0-2} ../../../devices/pci0000:6a/0000:6a:01.0/dsa0/wq0.{0-2}
    link /sys/bus/dsa/devices/iax1 ../../../devices/pci0000:6a/0000:6a:02.0/iax1
    link /sys/bus/dsa/devices/wq1.0 ../../../devices/pci0000:6a/0000:6a:02.0/iax1/wq1.0
    file @0000:6a:01.0/dsa0/numa_node 1
    file @0000:6a:02.0/iax1/numa_node -1
    @0000:6a:01.0/dsa0/wq0.{0-1}/type = user
    @0000:6a:01.0/dsa0/wq0.{0-1}/name = storage
    @0000:6a:01.0/dsa0/wq0.{0-1}/size = 16
    @0000:6a:01.0/dsa0/wq0.{0-1}/state = enabled
    @0000:6a:01.0/dsa0/wq0.0/mode = dedicated
    @0000:6a:01.0/dsa0/wq0.1/mode = shared
    @0000:6a:01.0/dsa0/wq0.2/type = kernel
    @0000:6a:02.0/iax1/wq1.0/type = user
    @0000:6a:02.0/iax1/wq1.0/name =
    @0000:6a:02.0/iax1/wq1.0/mode = shared
    @0000:6a:02.0/iax1/wq1.0/size = 128
    @0000:6a:02.0/iax1/wq1.0/state = disabled
    dev /dev/dsa/wq0.{0-1}
    dev /dev/iax/wq1.0
";

conformance!(WorkQueues, NODE);

#[test]
fn queues_for_programs_are_found_and_selected() {
    let queues = Harness::on(WorkQueues, NODE);
    for (selectors, expected) in [
        (json!({}), vec!["wq0.0", "wq0.1", "wq1.0"]),
        (json!({"accelerators": ["DSA"]}), vec!["wq0.0", "wq0.1"]),
        (json!({"modes": ["shared"]}), vec!["wq0.1", "wq1.0"]),
        (
            json!({"names": ["storage"], "modes": ["dedicated"]}),
            vec!["wq0.0"],
        ),
        (json!({"minSize": 17}), vec!["wq1.0"]),
    ] {
        assert_eq!(queues.select(selectors.clone()), expected, "{selectors}");
    }
    assert_eq!(
        queues.why_not(json!({"minSize": 17}), "wq0.0").unwrap(),
        "minSize: it has 16 entries, fewer than 17"
    );
    let devices = queues.devices();
    assert_eq!(
        devices[0].parent.as_deref(),
        Some("/sys/devices/pci0000:6a/0000:6a:01.0/dsa0")
    );
    assert_eq!(devices[0].attributes["mode"], "dedicated".into());
    assert_eq!(devices[0].attributes["size"], 16_i64.into());
    assert_eq!(devices[0].numa_node, Some(1));
    assert_eq!(devices[2].numa_node, None);
    let excluded = &queues.excluded()[0];
    assert_eq!(excluded.device, "wq0.2");
    assert_eq!(
        excluded.reason,
        "its type is not `user`, which programs need"
    );
}

#[test]
fn a_name_that_is_no_id_costs_its_queue_only() {
    let mut queues = Harness::on(WorkQueues, NODE);
    queues.change(
        "link /sys/bus/dsa/devices/wq0,9 ../../../devices/pci0000:6a/0000:6a:01.0/dsa0/wq0.0",
    );
    queues.rescan().unwrap();
    assert_eq!(queues.devices().len(), 3);
    let excluded = queues.excluded();
    assert!(excluded.iter().any(|excluded| excluded.device == "wq0,9"));
}

#[test]
fn a_container_gets_the_queue_while_it_is_enabled() {
    let mut queues = Harness::on(WorkQueues, NODE);
    let allocated = queues.allocate(json!({}), &["wq0.1"]).unwrap();
    assert_eq!(allocated[0].nodes[0].host_path, "/dev/dsa/wq0.1");
    assert_eq!(allocated[0].info["dsa"]["mode"], "shared");
    let disabled = Finding::new(FindingKind::Other, "it is not enabled");
    assert_eq!(queues.findings("wq1.0"), [disabled]);
    let refused = queues.allocate(json!({}), &["wq1.0"]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot hand out `wq1.0`: it is not enabled"
    );
    queues.change("nodev /dev/dsa/wq0.0");
    queues.rescan().unwrap();
    let findings = queues.findings("wq0.0");
    assert_eq!(
        findings[0].reason,
        "the device node `/dev/dsa/wq0.0` does not exist on this node"
    );
}
