//! The node that everything happens to: four physical functions, four virtual ones each, and configurations for them.

use std::fmt::Write;

pub(super) const PFS: usize = 4;
const VFS: usize = 4;
pub(super) const DEVICES: usize = PFS * VFS;
pub(super) const DRIVERS: [&str; 4] = ["iavf", "vfio-pci", "igbvf", ""];

/// Every name that a configuration has for a resource.
pub(super) const RESOURCES: [&str; 5] = [
    "intel.com/a",
    "intel.com/b",
    "intel.com/c",
    "example.org/a",
    "intel.com/fpga",
];

/// Each is valid, and none but the last two has resources that are refused.
pub(super) const CONFIGURATIONS: [&str; 10] = [
    r#"[{"resourceName": "a", "selectors": {"pfNames": ["pf0"]}},
        {"resourceName": "b", "selectors": {"pfNames": ["pf1", "pf2"]}}]"#,
    // The same devices, first for the one and then for the other.
    r#"[{"resourceName": "b", "selectors": {"pfNames": ["pf1", "pf2", "pf0#0-1"]}},
        {"resourceName": "a", "selectors": {"pfNames": ["pf0"]}}]"#,
    r#"[{"resourceName": "a", "selectors": {"drivers": ["iavf"]}},
        {"resourceName": "b", "selectors": {"drivers": ["vfio-pci"]}},
        {"resourceName": "c", "selectors": {"drivers": ["igbvf"]}}]"#,
    r#"[{"resourceName": "a", "excludeTopology": true, "selectors": {"pfNames": ["pf0"]}}]"#,
    r#"[{"resourceName": "c", "selectors": [{"pfNames": ["pf3"]}, {"drivers": ["vfio-pci"]}]},
        {"resourceName": "a", "resourcePrefix": "example.org", "selectors": {"pfNames": ["pf0", "pf3"]}},
        {"resourceName": "a", "selectors": {"vendors": ["8086"]}}]"#,
    r#"[{"resourceName": "c", "selectors": {"pciAddresses": ["0000:01:01.0", "0000:02:01.1"]}},
        {"resourceName": "b", "allocationPolicy": "packed", "selectors": {"vendors": ["8086"]}}]"#,
    r#"[{"resourceName": "a", "selectors": {"vendors": ["beef"]}}]"#,
    r"[]",
    // Without its library, the key of the first is unknown, and the second one has its devices, too.
    r#"[{"resourceName": "c", "selectors": {"isRdma": true}},
        {"resourceName": "a", "selectors": {"pfNames": ["pf0", "pf1"]}}]"#,
    // Without its library, the type of the first is unknown; the second one has a typing error.
    r#"[{"resourceName": "fpga", "deviceType": "accelerator", "selectors": {"vendors": ["1dd8"]}},
        {"resourceName": "b", "selectors": {"pfName": ["pf1"]}},
        {"resourceName": "a", "selectors": {"pfNames": ["pf1"]}}]"#,
];

pub(super) fn configuration(which: usize) -> String {
    format!(r#"{{"resourceList": {}}}"#, CONFIGURATIONS[which])
}

pub(super) fn tree() -> String {
    let mut tree = String::from("pci 0000:10:00.0 1dd8:1003 class=120000 driver=fpga numa=1\n");
    for pf in 0..PFS {
        let bus = pf + 1;
        let numa = pf % 2;
        writeln!(
            tree,
            "pf 0000:{bus:02x}:00.0 8086:1572 driver=i40e net=pf{pf} numa={numa}"
        )
        .expect("a string");
    }
    for device in 0..DEVICES {
        writeln!(tree, "{}", plug(device, "iavf")).expect("a string");
    }
    tree
}

pub(super) fn address(device: usize) -> String {
    let (bus, vf) = (device / VFS + 1, device % VFS);
    format!("0000:{bus:02x}:01.{vf}")
}

pub(super) fn physical_function(pf: usize) -> String {
    format!("0000:{:02x}:00.0", pf + 1)
}

/// The line that gives a physical function its link, or takes it away.
pub(super) fn link(pf: usize, is_up: bool) -> String {
    let (function, carrier) = (physical_function(pf), u8::from(is_up));
    format!("file @{function}/net/pf{pf}/carrier {carrier}")
}

/// The line that brings a device.
pub(super) fn plug(device: usize, driver: &str) -> String {
    let (bus, vf) = (device / VFS + 1, device % VFS);
    let address = address(device);
    let driver = match driver {
        "" => String::new(),
        "vfio-pci" => format!("driver=vfio-pci group={}", device + 1),
        // With this one, the first function of each card has an RDMA device.
        "iavf" if vf == 0 => format!("driver=iavf ib=rdma{device}"),
        driver => format!("driver={driver}"),
    };
    format!("vf {address} 8086:154c pf=0000:{bus:02x}:00.0 id={vf} {driver}")
}
