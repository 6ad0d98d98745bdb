//! Each message with all of its fields, and which of them may be absent.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Finding, FindingKind, PciAddress, wire};

/// Lines for all messages: method, message, field, what stands in it, and whether it may be absent.
pub(super) fn all(lines: &mut Vec<String>) {
    for (name, value) in methods() {
        lines.push(format!("method {name} = {value:?}"));
    }
    message("Settings", &settings(), lines);
    message("Manifest", &manifest(), lines);
    message("DiscoverRequest", &discover_request(), lines);
    message("Part", &part(), lines);
    message("Function", &function(), lines);
    message("ExtendedDevice", &extended(), lines);
    message("NonPciDevice", &non_pci(), lines);
    message("Discovered", &discovered(), lines);
    message("Device", &device(), lines);
    message(
        "CheckRequest",
        &wire::CheckRequest {
            device_type: "t".to_owned(),
            selectors: json!({"k": 1}),
        },
        lines,
    );
    message(
        "SelectRequest",
        &wire::SelectRequest {
            generation: 7,
            device_type: "t".to_owned(),
            selectors: json!({"k": 1}),
        },
        lines,
    );
    message(
        "Selected",
        &wire::Selected {
            admitted: vec![0, 2],
            by_alias: vec![2],
            findings: vec![(2, Finding::new(FindingKind::Other, "r"))],
            kept_out: vec![(3, "r".to_owned())],
            warnings: vec![wire::Failure {
                chain: vec!["m".to_owned()],
                hint: Some("h".to_owned()),
                path: None,
            }],
        },
        lines,
    );
    message(
        "ExplainRequest",
        &wire::ExplainRequest {
            generation: 7,
            selectors: json!({"k": 1}),
            id: "0000:17:00.1".to_owned(),
        },
        lines,
    );
    message(
        "Explained",
        &wire::Explained {
            key: Some("k".to_owned()),
            reason: Some("r".to_owned()),
            unreadable: true,
            findings: vec![Finding::new(FindingKind::DeviceNode, "r")],
        },
        lines,
    );
    message(
        "AllocateRequest",
        &wire::AllocateRequest {
            device_type: "t".to_owned(),
            selectors: json!({"k": 1}),
            ids: vec!["0000:17:00.1".to_owned()],
            resource: Some("intel.com/r".to_owned()),
            settings: Some(json!({"k": 1})),
            replaced: vec!["vfio".to_owned()],
        },
        lines,
    );
    let allocated = wire::Allocated {
        devices: vec![wire::Allocation::default()],
    };
    message("Allocated", &allocated, lines);
    message("Allocation", &allocation(), lines);
    message("Failure", &failure(), lines);
    lines.push(format!("message Started: {}", text(&wire::Started {})));
    let settings = wire::CheckSettingsRequest {
        settings: json!({"k": 1}),
    };
    message("CheckSettingsRequest", &settings, lines);
    message(
        "Finding",
        &Finding::new(FindingKind::Link, "r").about("vfio"),
        lines,
    );
    let checked = wire::Checked {
        warnings: vec![failure()],
    };
    message("Checked", &checked, lines);
    let routes = wire::DefaultRoutes {
        netdevs: vec!["eth0".to_owned()],
    };
    message("DefaultRoutes", &routes, lines);
    message(
        "LogRecord",
        &wire::LogRecord {
            provider: "p".to_owned(),
            level: "info".to_owned(),
            message: "m".to_owned(),
        },
        lines,
    );
    devlink(lines);
}

fn failure() -> wire::Failure {
    wire::Failure {
        chain: vec!["outer".to_owned(), "inner".to_owned()],
        hint: Some("h".to_owned()),
        path: Some("k[0]".to_owned()),
    }
}

fn methods() -> [(&'static str, &'static str); 11] {
    use wire::method;
    [
        ("MANIFEST", method::MANIFEST),
        ("DISCOVER", method::DISCOVER),
        ("CHECK", method::CHECK),
        ("SELECT", method::SELECT),
        ("EXPLAIN", method::EXPLAIN),
        ("ALLOCATE", method::ALLOCATE),
        ("PRE_START", method::PRE_START),
        ("CHECK_SETTINGS", method::CHECK_SETTINGS),
        ("LOG", method::LOG),
        ("DEVLINK", method::DEVLINK),
        ("DEFAULT_ROUTES", method::DEFAULT_ROUTES),
    ]
}

fn settings() -> wire::Settings {
    wire::Settings {
        host: "1.0.0".to_owned(),
        log_level: Some("info".to_owned()),
        features: crate::feature::OF_HOST.map(str::to_owned).to_vec(),
    }
}

fn manifest() -> wire::Manifest {
    wire::Manifest {
        package: "p".to_owned(),
        version: "1.2.3".to_owned(),
        sdk: "1.0.0".to_owned(),
        summary: "s".to_owned(),
        device_type: Some("t".to_owned()),
        cdi_class: Some("c".to_owned()),
        default_device_type: true,
        extends: vec!["e".to_owned()],
        brought_by_others: BTreeMap::from([("k".to_owned(), "f.so".to_owned())]),
        exclusive_keys: vec![("a".to_owned(), "b".to_owned())],
        needs_host: Some("1.0".to_owned()),
        subsystems: vec!["vdpa".to_owned()],
        by_function: true,
        features: vec![crate::feature::INCREMENTAL.to_owned()],
        schema: json!({"type": "object"}),
        settings: Some(json!({"type": "object"})),
        replaceable: vec!["vfio".to_owned()],
        replaces: vec!["vfio".to_owned()],
    }
}

fn function() -> wire::Function {
    wire::Function {
        address: address(),
        vendor: 0x10ee,
        device: 0x5000,
        class: 0x12_00_00,
        driver: Some("d".to_owned()),
        numa_node: Some(1),
        physical_function: Some(address()),
        vf_index: Some(3),
        vf_count: 4,
    }
}

fn address() -> PciAddress {
    "0000:17:00.1".parse().unwrap_or_default()
}

fn extended() -> wire::ExtendedDevice {
    wire::ExtendedDevice::new("t", "mlx5_core.sf.2", address())
}

fn non_pci() -> wire::NonPciDevice {
    wire::NonPciDevice::new("t", "wq0.0")
}

fn discover_request() -> wire::DiscoverRequest {
    wire::DiscoverRequest {
        root: "/".to_owned(),
        generation: 7,
        functions: Vec::new(),
        devices: vec![extended()],
        non_pci: vec![non_pci()],
        part: Some(part()),
        settings: Some(json!({"k": 1})),
    }
}

fn part() -> wire::Part {
    wire::Part {
        since: 6,
        functions: vec![address()],
    }
}

fn device() -> wire::Device {
    wire::Device {
        id: address().into(),
        function: Some(address()),
        numa_node: Some(1),
        other_numa_nodes: vec![2],
        parent: Some("/sys/devices/platform/x".to_owned()),
        independent: true,
        attributes: BTreeMap::from([("model".to_owned(), json!({"string": "x"}))]),
        unhealthy: Some("u".to_owned()),
        findings: vec![Finding::new(FindingKind::Link, "u")],
    }
}

fn discovered() -> wire::Discovered {
    wire::Discovered {
        devices: Vec::new(),
        excluded: vec![("0000:17:00.1".to_owned(), "r".to_owned())],
        unread: vec![address()],
    }
}

fn allocation() -> wire::Allocation {
    let pair = || ("/dev/a".to_owned(), "/dev/b".to_owned());
    wire::Allocation {
        nodes: vec![pair()],
        companions: vec![pair()],
        permissions: BTreeMap::from([("/dev/b".to_owned(), "r".to_owned())]),
        mounts: vec![("/a".to_owned(), "/b".to_owned(), true)],
        env: BTreeMap::from([("E".to_owned(), "v".to_owned())]),
        env_lists: BTreeMap::from([("L".to_owned(), "i".to_owned())]),
        annotations: BTreeMap::from([("a.b/c".to_owned(), "v".to_owned())]),
        cdi_devices: vec!["v.c/class=name".to_owned()],
        info: BTreeMap::from([(
            "s".to_owned(),
            BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        )]),
        device_info: BTreeMap::from([("f".to_owned(), json!("v"))]),
    }
}

/// A field distinguishes the queries, so each is a line.
fn devlink(lines: &mut Vec<String>) {
    let of = || wire::DevlinkHandle {
        bus: "pci".to_owned(),
        device: "0000:17:00.1".to_owned(),
    };
    for question in [
        wire::DevlinkQuestion::Devices,
        wire::DevlinkQuestion::Info(of()),
        wire::DevlinkQuestion::Eswitch(of()),
        wire::DevlinkQuestion::Parameter {
            of: of(),
            name: "n".to_owned(),
        },
    ] {
        lines.push(format!("message DevlinkQuestion: {}", text(&question)));
    }
}

/// One line for each field: a reader that takes the message without it has a default for it.
fn message<T: Serialize + DeserializeOwned>(name: &str, whole: &T, lines: &mut Vec<String>) {
    let Ok(Value::Object(fields)) = serde_json::to_value(whole) else {
        panic!("{name} is no object");
    };
    for (field, value) in &fields {
        let mut without = fields.clone();
        without.remove(field);
        let is_optional = serde_json::from_value::<T>(Value::Object(without)).is_ok();
        let presence = if is_optional {
            "may be absent"
        } else {
            "is there"
        };
        lines.push(format!("message {name}: {field} = {value}, {presence}"));
    }
}

fn text(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}
