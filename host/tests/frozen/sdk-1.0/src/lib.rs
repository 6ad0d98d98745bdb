//! The device type `frozen`, written against interface 1.0 itself, as SDK 1.0.0 has it. **Never changed.**
//!
//! What a library of that time carries is here in full: the layout of the root module, the note, and the JSON of each
//! method, as texts. A host that does not load this one breaks its promise. With the feature `newer` it is what a later
//! SDK makes of it: the same layout, and JSON with more in it.

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
    description: padded(if NEWER {
        b"sdk=1.99.0\npanic=unwind\nprovider=frozen\nversion=7\nlater=line\n"
    } else {
        b"sdk=1.0.0\npanic=unwind\nprovider=frozen\nversion=7\n"
    }),
};

const NEWER: bool = cfg!(feature = "newer");

static HOST: OnceLock<HostFunctions> = OnceLock::new();

#[abi_stable::export_root_module]
pub fn root_module() -> ProviderModuleRef {
    ProviderModule { attach, call }.leak_into_prefix()
}

extern "C" fn attach(host: HostFunctions, _: RStr<'_>) -> Outcome {
    HOST.get_or_init(|| host);
    if NEWER {
        // A host of today does not know it, and a later SDK does without.
        return match (host.call)(RStr::from("of-1.99"), RStr::from("{}")) {
            RErr(_) => ROk(RString::from(r#"{"later": true}"#)),
            ROk(_) => RErr(RString::from(r#"{"chain": ["the host knows a method of 1.99"]}"#)),
        };
    }
    ROk(RString::from("{}"))
}

extern "C" fn call(method: RStr<'_>, input: RStr<'_>) -> Outcome {
    let request: Value = serde_json::from_str(input.as_str()).unwrap_or_default();
    let mut answer = match method.as_str() {
        "manifest" => manifest(),
        "discover" => discover(&request),
        "check" => json!({}),
        "select" => json!({"admitted": admitted(&request)}),
        "explain" => json!({"key": "odd", "reason": "it is number 0, and an odd one is asked for"}),
        "allocate" => allocate(&request),
        other => {
            let failure = json!({"chain": [format!("this provider was built with SDK 1.0.0, which has no method `{other}`")]});
            return RErr(RString::from(failure.to_string()));
        }
    };
    if NEWER {
        add_unknown(&mut answer);
    }
    ROk(RString::from(answer.to_string()))
}

fn manifest() -> Value {
    let mut manifest = json!({
        "package": "frozen",
        "version": "7",
        "sdk": if NEWER { "1.99.0" } else { "1.0.0" },
        "summary": "As it was",
        "device_type": "frozen",
        "cdi_class": "frozen",
        "schema": {"type": "object", "properties": {"odd": {"type": "boolean", "default": false}}},
    });
    if std::env::var("FROZEN_NEEDS").is_ok() {
        manifest["needs_host"] = json!("1.99");
    }
    manifest
}

fn discover(request: &Value) -> Value {
    if let Some(host) = HOST.get() {
        let record = json!({"provider": "frozen", "level": "info", "message": format!("a discovery below {}", request["root"])});
        let _ = (host.call)(RStr::from("log"), RStr::from(record.to_string().as_str()));
    }
    let functions = request["functions"].as_array().into_iter().flatten();
    let mine = functions.filter(|f| f["v"] == 0xf0f0);
    let devices: Vec<Value> = mine.map(|f| json!({"id": f["a"], "numa": f["numa"]})).collect();
    json!({"devices": devices, "excluded": [["0000:ff:1f.7", "it was left out"]]})
}

/// Two devices are there in the tests; `odd` is for the second.
fn admitted(request: &Value) -> Vec<u32> {
    if request["selectors"]["odd"] == true { vec![1] } else { vec![0, 1] }
}

fn allocate(request: &Value) -> Value {
    let ids = request["ids"].as_array().into_iter().flatten();
    let one = |id: &Value| {
        json!({
            "nodes": [["/dev/frozen", "/dev/frozen"]],
            "info": {"frozen": {"id": id}},
            "device_info": {"type": "frozen"},
        })
    };
    json!({"devices": ids.map(one).collect::<Vec<_>>()})
}

/// A field that no host of today knows, in each object of the messages themselves.
fn add_unknown(value: &mut Value) {
    if let Value::Object(map) = value {
        map.insert("of_1_99".to_owned(), json!({"colour": ["red"]}));
        if let Some(Value::Array(devices)) = map.get_mut("devices") {
            devices.iter_mut().for_each(add_unknown);
        }
    }
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
