//! What a container and CNIs may read about a device: its entry in `_INFO`, and its device-info file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::contributions::{Conflict, Contribution, Merged, Origin};
use super::{DeviceInfoFile, Pool, PoolDevice};

/// Version of the Device Information Specification that the files follow.
const DEVICE_INFO_VERSION: &str = "1.1.0";
/// The host itself as the origin of a key.
const HOST: &str = "sriovdp";

/// The entry of `device` in `_INFO`.
pub(super) fn sections(
    pool: &Pool,
    device: &PoolDevice,
    parts: &[Contribution],
) -> Result<BTreeMap<String, BTreeMap<String, String>>, Conflict> {
    let host = Origin {
        provider: HOST,
        device: &device.id,
    };
    let generic = BTreeMap::from([("deviceID".to_owned(), device.id.to_string())]);
    let additional = pool.resource.additional_info.as_ref();
    let additional = additional.map(|info| {
        let function = device.function.map(|function| function.to_string());
        info.of(device.id.as_str(), function.as_deref())
    });
    let of_host = [Some(("generic", generic)), additional.map(|a| ("extra", a))];
    let mut merged = Merged::new("the key");
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (section, values) in of_host.into_iter().flatten() {
        for (key, value) in &values {
            merged.add(&format!("{section}.{key}"), value.clone(), host)?;
        }
        sections.insert(section.to_owned(), values);
    }
    for part in parts {
        for (section, values) in &part.allocation.info {
            // A section without keys is one, too.
            let joined = sections.entry(section.clone()).or_default();
            for (key, value) in values {
                let name = format!("{section}.{key}");
                merged.add(&name, value.clone(), part.origin(device))?;
                joined.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(sections)
}

/// Puts `over` into `base`: objects member by member, anything else replaced.
fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// The device-info file of `device`, when a provider has fields for it.
pub(super) fn device_info_file(
    pool: &Pool,
    device: &PoolDevice,
    parts: &[Contribution],
) -> Option<DeviceInfoFile> {
    let mut info = Value::Null;
    let fields = parts.iter().map(|part| &part.allocation.device_info);
    for fields in fields.filter(|fields| !fields.is_empty()) {
        merge(&mut info, fields.clone().into_iter().collect());
    }
    if info.is_null() {
        return None;
    }
    merge(&mut info, json!({"version": DEVICE_INFO_VERSION}));
    Some(DeviceInfoFile {
        name: pool.resource.name.device_info_file(device.id.as_str()),
        content: as_go_writes_it(&info),
    })
}

/// Go's encoder escapes these characters, and programs that compare texts have got used to it. In JSON they occur in
/// strings only.
pub(super) fn as_go_writes_it(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_merge_member_by_member() {
        let mut info = json!({"type": "pci", "pci": {"pci-address": "0000:03:02.0"}});
        merge(&mut info, json!({"pci": {"rdma-device": "mlx5_1"}}));
        assert_eq!(
            info,
            json!({"type": "pci", "pci": {"pci-address": "0000:03:02.0", "rdma-device": "mlx5_1"}})
        );
    }

    #[test]
    fn go_escapes_what_html_would_read() {
        assert_eq!(
            as_go_writes_it(&json!({"a": "<&>"})),
            r#"{"a":"\u003c\u0026\u003e"}"#
        );
    }
}
