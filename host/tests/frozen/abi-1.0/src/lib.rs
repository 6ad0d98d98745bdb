//! The device type `frozen`, written against interface 1.0 itself, with everything that is in it. **Never changed.**
//!
//! `sdk-1.0` has what the first hosts sent and understood. This one also contributes variables, annotations, permissions and
//! CDI names, has settings, attributes, several NUMA nodes, a device without a PCI function, a replaceable part and a call
//! before a container starts. A host that does not load it, or ignores one of these, breaks its promise.

#![allow(non_camel_case_types, non_local_definitions)]

use std::sync::OnceLock;

use abi_stable::library::RootModule;
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RErr, ROk, RResult, RStr, RString};
use abi_stable::{package_version_strings, StableAbi};
use serde_json::{json, Value};

pub type Outcome = RResult<RString, RString>;

#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct HostFunctions {
    pub call: extern "C" fn(method: RStr<'_>, input: RStr<'_>) -> Outcome,
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ProviderModuleRef)))]
pub struct ProviderModule {
    pub attach: extern "C" fn(host: HostFunctions, settings: RStr<'_>) -> Outcome,
    #[sabi(last_prefix_field)]
    pub call: extern "C" fn(method: RStr<'_>, input: RStr<'_>) -> Outcome,
}

impl RootModule for ProviderModuleRef {
    abi_stable::declare_root_module_statics! {ProviderModuleRef}
    const BASE_NAME: &'static str = "sriovdp_provider";
    const NAME: &'static str = "sriovdp provider";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

#[repr(C, align(4))]
pub struct Note {
    name_size: u32,
    description_size: u32,
    kind: u32,
    name: [u8; 8],
    description: [u8; 256],
}

#[used]
#[link_section = ".note.sriovdp"]
static NOTE: Note = Note {
    name_size: 8,
    description_size: 256,
    kind: 1,
    name: *b"sriovdp\0",
    description: padded(b"abi=1.0\nsdk=1.0.0\npanic=unwind\nprovider=frozen\nversion=8\n"),
};

static HOST: OnceLock<HostFunctions> = OnceLock::new();

#[abi_stable::export_root_module]
pub fn root_module() -> ProviderModuleRef {
    ProviderModule { attach, call }.leak_into_prefix()
}

extern "C" fn attach(host: HostFunctions, settings: RStr<'_>) -> Outcome {
    HOST.get_or_init(|| host);
    let settings: Value = serde_json::from_str(settings.as_str()).unwrap_or_default();
    let features = settings["features"].as_array().cloned().unwrap_or_default();
    for feature in ["incremental", "devlink", "default_routes", "pre_start"] {
        if !features.contains(&json!(feature)) {
            let failure = json!({"chain": [format!("the host lacks the feature `{feature}`")]});
            return RErr(RString::from(failure.to_string()));
        }
    }
    ROk(RString::from("{}"))
}

extern "C" fn call(method: RStr<'_>, input: RStr<'_>) -> Outcome {
    let request: Value = serde_json::from_str(input.as_str()).unwrap_or_default();
    let answer = match method.as_str() {
        "manifest" => manifest(),
        "discover" => discover(&request),
        "check" | "check_settings" => json!({"warnings": []}),
        "select" => json!({"admitted": admitted(&request), "by_alias": [], "findings": [], "kept_out": [], "warnings": []}),
        "explain" => json!({"key": "odd", "reason": "it is number 0, and an odd one is asked for", "unreadable": false}),
        "allocate" => allocate(&request),
        "pre_start" => return pre_start(&request),
        other => {
            let failure = json!({"chain": [format!("this provider was built with SDK 1.0.0, which has no method `{other}`")]});
            return RErr(RString::from(failure.to_string()));
        }
    };
    ROk(RString::from(answer.to_string()))
}

fn manifest() -> Value {
    json!({
        "package": "frozen",
        "version": "8",
        "sdk": "1.0.0",
        "summary": "All of interface 1.0",
        "device_type": "frozen",
        "cdi_class": "frozen",
        "subsystems": ["frozen"],
        "features": ["pre_start"],
        "replaceable": ["node"],
        "settings": {"type": "object", "properties": {"label": {"type": "string"}}},
        "schema": {"type": "object", "properties": {"odd": {"type": "boolean", "default": false}}},
    })
}

fn discover(request: &Value) -> Value {
    if let Some(host) = HOST.get() {
        let record = json!({"provider": "frozen", "level": "info", "message": format!("a discovery below {}", request["root"])});
        let _ = (host.call)(RStr::from("log"), RStr::from(record.to_string().as_str()));
    }
    let functions = request["functions"].as_array().into_iter().flatten();
    let mine = functions.filter(|f| f["v"] == 0xf0f0);
    let label = &request["settings"]["label"];
    let mut devices: Vec<Value> = mine
        .map(|f| json!({"id": f["a"], "numa": 0, "numas": [1], "attrs": {"label": {"string": label}}}))
        .collect();
    if label.is_string() {
        devices.push(json!({"id": "frozen0", "parent": "/sys/devices/platform/frozen", "independent": true}));
    }
    json!({"devices": devices, "excluded": [["0000:ff:1f.7", "it was left out"]], "unread": []})
}

/// `odd` is for the second device.
fn admitted(request: &Value) -> Vec<u32> {
    if request["selectors"]["odd"] == true { vec![1] } else { vec![0, 1, 2] }
}

fn allocate(request: &Value) -> Value {
    let ids = request["ids"].as_array().into_iter().flatten();
    let one = |id: &Value| {
        json!({
            "nodes": [["/dev/frozen", "/dev/frozen"]],
            "permissions": {"/dev/frozen": "r"},
            "env": {"FROZEN_LABEL": request["settings"]["label"].as_str().unwrap_or_default(), "FROZEN_RESOURCE": request["resource"]},
            "env_lists": {"FROZEN_IDS": id},
            "annotations": {"frozen.example/id": "frozen"},
            "cdi_devices": ["frozen.example/class=all"],
            "info": {"frozen": {"id": id}},
            "device_info": {"type": "frozen"},
        })
    };
    json!({"devices": ids.map(one).collect::<Vec<_>>()})
}

fn pre_start(request: &Value) -> Outcome {
    if request["resource"].is_string() && request["ids"].as_array().is_some_and(|ids| !ids.is_empty()) {
        return ROk(RString::from("{}"));
    }
    RErr(RString::from(r#"{"chain": ["the request names no device"]}"#))
}

const fn padded(text: &[u8]) -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut n = 0;
    while n < text.len() {
        bytes[n] = text[n];
        n += 1;
    }
    bytes
}
