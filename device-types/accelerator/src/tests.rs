//! `accelerator` over small nodes: what is offered, what selectors select, what containers get.

use crate::Accelerator;
use sriovdp_sdk::FindingKind;
use sriovdp_sdk_testing::{Harness, TempTree, Tree};

use serde_json::{Value, json};

const CARDS: &str = "
    pci 0000:17:00.0 8086:0d8f class=120000 driver=vfio-pci group=12 numa=1
    pci 0000:17:00.1 8086:0d8f class=120000 driver=igb_uio uio=0 numa=1
    pci 0000:18:00.0 10ee:5000 class=120000 driver=xocl acpi=7 numa=-1
    pf 0000:19:00.0 8086:0d5c class=120001 driver=pci-pf-stub
    vf 0000:19:00.{1-2} 8086:0d5d pf=0000:19:00.0 id={0-1} class=120001 driver=vfio-pci group=2{1-2}
    pci 0000:1a:00.0 8086:1234 class=120000
    pf 0000:03:00.0 8086:1572 driver=i40e net=ens1f0
";

fn cards(more: &str) -> (TempTree, Harness<Accelerator>) {
    let node = Tree::parse(&format!("{CARDS}\n{more}"))
        .expect("a node")
        .temp();
    let provider = Harness::new(Accelerator::default(), node.path());
    (node, provider)
}

#[test]
fn accelerators_with_a_driver_are_offered() {
    let (_node, provider) = cards("");
    let devices = provider.devices();
    let devices: Vec<(&str, Option<u32>)> = devices
        .iter()
        .map(|device| (device.id.as_str(), device.numa_node))
        .collect();
    assert_eq!(
        devices,
        [
            ("0000:17:00.0", Some(1)),
            ("0000:17:00.1", Some(1)),
            ("0000:18:00.0", None),
            // A physical function with virtual ones.
            ("0000:19:00.0", Some(0)),
            ("0000:19:00.1", Some(0)),
            ("0000:19:00.2", Some(0)),
        ]
    );
    let [excluded] = &*provider.excluded() else {
        panic!("{:?}", provider.excluded());
    };
    assert_eq!(excluded.device, "0000:1a:00.0");
    assert_eq!(excluded.reason, "no driver is bound to it");
}

#[test]
fn a_number_of_the_firmware_that_cannot_be_read_is_what_it_was() {
    let (node, mut provider) = cards("");
    let attribute = "@0000:18:00.0/acpi_index";
    // Reading a directory fails.
    let unreadable = format!("rm {attribute}\ndir {attribute}");
    Tree::apply(node.path(), &unreadable).expect("a change");
    provider.rescan().expect("a discovery");
    provider.rescan().expect("a discovery");
    let numbered = provider.select(json!({"acpiIndexes": ["7"]}));
    assert_eq!(numbered, ["0000:18:00.0"]);
}

#[test]
fn selectors_select() {
    let (_node, provider) = cards("");
    for (selectors, expected) in [
        (json!({"vendors": ["0x10EE"]}), vec!["0000:18:00.0"]),
        (
            json!({"devices": ["0D5D", "5000"]}),
            vec!["0000:18:00.0", "0000:19:00.1", "0000:19:00.2"],
        ),
        (json!({"drivers": ["igb_uio"]}), vec!["0000:17:00.1"]),
        (json!({"drivers": ["IGB_UIO"]}), vec![]),
        (
            json!({"pciAddresses": ["17:00.0", "0000:19:00.0"]}),
            vec!["0000:17:00.0", "0000:19:00.0"],
        ),
        (json!({"acpiIndexes": ["7"]}), vec!["0000:18:00.0"]),
        (json!({"pcieRoots": ["pci0000:18"]}), vec!["0000:18:00.0"]),
        (
            json!({"kubevirtHostDevice": true}),
            vec!["0000:17:00.0", "0000:19:00.1", "0000:19:00.2"],
        ),
        (
            json!({"vendors": ["8086"], "drivers": ["vfio-pci"], "devices": ["0d8f"]}),
            vec!["0000:17:00.0"],
        ),
    ] {
        assert_eq!(provider.select(selectors.clone()), expected, "{selectors}");
    }
}

#[test]
fn a_refusal_says_what_was_found() {
    let (_node, provider) = cards("");
    let why = |selectors, id| provider.why_not(selectors, id).expect("a refusal");
    assert_eq!(
        why(json!({"drivers": ["vfio-pci"]}), "0000:18:00.0"),
        "drivers: it has xocl, not one of vfio-pci"
    );
    assert_eq!(
        why(json!({"acpiIndexes": ["8"]}), "0000:19:00.0"),
        "acpiIndexes: it has none, and the selector has 8"
    );
    assert_eq!(provider.why_not(json!({}), "0000:18:00.0"), None);
}

#[test]
fn containers_get_what_the_driver_offers_and_no_device_info() {
    let (_node, provider) = cards("");
    let allocate = |id| {
        provider
            .allocate_json(json!({}), id)
            .expect("an allocation")
    };
    let vfio: Value = json!({
        "nodes": [["/dev/vfio/vfio", "/dev/vfio/vfio"], ["/dev/vfio/12", "/dev/vfio/12"]],
        "info": {"vfio": {"mount": "/dev/vfio/vfio", "dev-mount": "/dev/vfio/12"}},
    });
    assert_eq!(allocate("0000:17:00.0"), vfio);
    let uio =
        json!({"nodes": [["/dev/uio0", "/dev/uio0"]], "info": {"uio": {"mount": "/dev/uio0"}}});
    assert_eq!(allocate("0000:17:00.1"), uio);
    assert_eq!(allocate("0000:18:00.0"), json!({}));
}

#[test]
fn a_container_without_its_device_is_refused() {
    let (_node, provider) = cards("nodev /dev/vfio/12");
    let error = provider
        .allocate(json!({}), &["0000:17:00.0"])
        .expect_err("a refusal");
    let causes: Vec<&str> = error.causes().collect();
    assert_eq!(
        causes,
        ["the device node `/dev/vfio/12` does not exist on this node"]
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_driver_that_changed_since_the_scan_is_noticed() {
    let (node, provider) = cards("");
    node.apply("link @0000:17:00.0/driver ../../../bus/pci/drivers/igb_uio");
    let error = provider
        .allocate(json!({"drivers": ["vfio-pci"]}), &["0000:17:00.0"])
        .expect_err("a refusal");
    assert_eq!(
        error.to_string(),
        "`0000:17:00.0` no longer matches its resource: `drivers`: it has igb_uio, not one of vfio-pci"
    );
}

#[test]
fn keys_of_network_functions_are_not_in_the_schema() {
    let schema = sriovdp_sdk::schemars::schema_for!(crate::Selectors).to_value();
    let keys: Vec<&String> = schema["properties"]
        .as_object()
        .expect("properties")
        .keys()
        .collect();
    assert_eq!(
        keys,
        [
            "acpiIndexes",
            "devices",
            "drivers",
            "kubevirtHostDevice",
            "needIommufd",
            "pciAddresses",
            "pcieRoots",
            "vendors"
        ]
    );
}

sriovdp_sdk_testing::conformance!(Accelerator);

#[test]
fn a_function_without_its_device_node_is_unhealthy() {
    let unhealthy = |more: &str| -> Vec<String> {
        let (_node, provider) = cards(more);
        let devices = provider.devices().into_iter();
        let unhealthy = devices.filter(|device| !device.findings.is_empty());
        unhealthy
            .map(|device| {
                assert_eq!(device.findings[0].cause, FindingKind::DeviceNode);
                device.id.to_string()
            })
            .collect()
    };
    assert_eq!(unhealthy(""), [""; 0]);
    assert_eq!(unhealthy("nodev /dev/vfio/12"), ["0000:17:00.0"]);
    assert_eq!(unhealthy("nodev /dev/uio0"), ["0000:17:00.1"]);
    let on_vfio = ["0000:17:00.0", "0000:19:00.1", "0000:19:00.2"];
    assert_eq!(unhealthy("nodev /dev/vfio/vfio"), on_vfio);
    // Without an IOMMU the node has another name.
    let group = "file /sys/kernel/iommu_groups/12/name vfio-noiommu";
    assert_eq!(unhealthy(group), ["0000:17:00.0"]);
    assert_eq!(
        unhealthy(&format!("{group}\ndev /dev/vfio/noiommu-12")),
        [""; 0]
    );
}

#[test]
fn another_driver_than_the_resource_asks_for_is_a_mismatch() {
    let (_node, provider) = cards("");
    let mismatch = |drivers| provider.mismatch(json!({"drivers": drivers}), "0000:18:00.0");
    assert_eq!(mismatch(["xocl"]), None);
    let reason = "drivers: it has xocl, not one of vfio-pci";
    assert_eq!(mismatch(["vfio-pci"]).as_deref(), Some(reason));
}
