//! The kubelet's checkpoint of the devices that pods have, `kubelet_internal_checkpoint` (Kubernetes:
//! `pkg/kubelet/cm/devicemanager/checkpoint`).
//!
//! It is parsed while it is read, and only ids and names of resources are kept: most of a checkpoint are the answers of
//! device plugins, which nothing here needs.

use std::fmt;
use std::io::{self, BufReader};
use std::path::Path;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::PodDevices;
use sriovdp_providers::bounded_read::{self, Limited};

/// A device of a pod takes one to two kilobytes, mostly for the answer of its plugin.
const LARGEST: u64 = 8 << 20;
/// More than the pods of a node can have. It bounds the memory for a file of short ids.
const MOST_IDS: usize = 1 << 16;

/// Reads the file at `path`.
///
/// # Errors
///
/// When it is not there, is no regular file, is too large, or is no checkpoint.
pub(super) fn read(path: &Path) -> io::Result<PodDevices> {
    let (file, _) = bounded_read::open(path)?;
    parse(Limited::new(file, LARGEST))
}

/// Parses its text.
///
/// # Errors
///
/// When it is no checkpoint.
pub(crate) fn parse(text: impl io::Read) -> io::Result<PodDevices> {
    let checkpoint: Checkpoint = serde_json::from_reader(BufReader::new(text))?;
    let entries = checkpoint.data.pod_device_entries;
    Ok(entries.map(|entries| entries.0).unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Checkpoint {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    pod_device_entries: Option<Entries>,
}

/// The entries, each of which is forgotten when its ids are known.
struct Entries(PodDevices);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    resource_name: String,
    #[serde(rename = "DeviceIDs")]
    device_ids: Option<Ids>,
}

/// Ids by NUMA node, or a list of ids, which kubelets before 1.21 wrote.
#[derive(Default)]
struct Ids(Vec<String>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Entries, A::Error> {
        let (mut held, mut count) = (PodDevices::default(), 0);
        while let Some(entry) = entries.next_element::<Entry>()? {
            let Ids(ids) = entry.device_ids.unwrap_or_default();
            count += ids.len();
            not_more(count)?;
            held.add(&entry.resource_name, ids);
        }
        Ok(Entries(held))
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdsVisitor)
    }
}

struct IdsVisitor;

impl<'de> Visitor<'de> for IdsVisitor {
    type Value = Ids;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("device ids, as a list or by NUMA node")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut ids: A) -> Result<Ids, A::Error> {
        let mut all = Vec::new();
        while let Some(id) = ids.next_element()? {
            all.push(id);
            not_more(all.len())?;
        }
        Ok(Ids(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut nodes: A) -> Result<Ids, A::Error> {
        let mut all = Vec::new();
        while let Some((_, ids)) = nodes.next_entry::<IgnoredAny, Option<Ids>>()? {
            all.extend(ids.unwrap_or_default().0);
            not_more(all.len())?;
        }
        Ok(Ids(all))
    }
}

fn not_more<E: Error>(ids: usize) -> Result<(), E> {
    if ids > MOST_IDS {
        return Err(E::custom(format_args!(
            "pods have more than {MOST_IDS} devices"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_ids(ids: &str) -> io::Result<PodDevices> {
        let entry = format!(r#"{{"PodUID":"u","ResourceName":"intel.com/a","DeviceIDs":{ids}}}"#);
        let text = format!(r#"{{"Data":{{"PodDeviceEntries":[{entry}]}},"Checksum":1}}"#);
        parse(text.as_bytes())
    }

    #[test]
    fn ids_of_every_kubelet() {
        for ids in [r#"["x","y"]"#, r#"{"-1":["x"],"0":null,"1":["y"]}"#] {
            let held = of_ids(ids).unwrap();
            assert!(
                held.holds("intel.com/a", "x") && held.holds("intel.com/a", "y"),
                "{ids}"
            );
        }
        for ids in ["null", "[]", "{}"] {
            assert_eq!(of_ids(ids).unwrap(), PodDevices::default(), "{ids}");
        }
        for (ids, expected) in [
            ("7", "expected device ids, as a list or by NUMA node"),
            ("[7]", "expected a string"),
            (r#"{"0":[["x"]]}"#, "expected a string"),
        ] {
            let error = of_ids(ids).unwrap_err().to_string();
            assert!(error.contains(expected), "{ids}: {error}");
        }
    }

    #[test]
    fn ids_without_end() {
        let list = format!("[{}\"x\"]", "\"x\",".repeat(MOST_IDS));
        for ids in [list.clone(), format!("{{\"0\":{list}}}")] {
            let error = of_ids(&ids).unwrap_err().to_string();
            assert!(
                error.starts_with("pods have more than 65536 devices"),
                "{error}"
            );
        }
    }
}
