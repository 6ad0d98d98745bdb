//! The kubelet's checkpoint of the devices that pods have, `kubelet_internal_checkpoint` (Kubernetes:
//! `pkg/kubelet/cm/devicemanager/checkpoint`).
//!
//! It is parsed while it is read, and only ids and names of resources are kept: most of a checkpoint are the responses of
//! device plugins.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{Mode, OFlags};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::sync::oneshot;

use super::pod_devices::PodDevices;

/// A device of a pod takes one to two kilobytes, mostly for the response of its plugin.
const MAX_SIZE: u64 = 8 << 20;
/// More than the pods of a node can have. It bounds the memory for a file of short ids.
const MAX_IDS: usize = 1 << 16;

/// Reads the file at `path`, on a thread if one can be started: a checkpoint may have megabytes.
///
/// # Errors
///
/// When it is not there, is no regular file, is too large, or is no checkpoint.
pub(super) async fn read(path: PathBuf) -> io::Result<PodDevices> {
    let (sender, result) = oneshot::channel();
    let thread = thread::Builder::new().name("checkpoint".to_owned());
    let file = path.clone();
    // The receiver may be gone.
    match thread.spawn(move || drop(sender.send(read_file(&file)))) {
        Ok(_) => result.await.map_err(io::Error::other)?,
        Err(_) => read_file(&path),
    }
}

fn read_file(path: &Path) -> io::Result<PodDevices> {
    // Without blocking where a FIFO is in its place.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = file.take(MAX_SIZE + 1);
    let pod_devices = parse(&mut text);
    if text.limit() == 0 {
        return Err(io::Error::other(format!(
            "it is longer than {MAX_SIZE} bytes"
        )));
    }
    pod_devices
}

/// Parses the text of a checkpoint.
pub(super) fn parse(text: impl Read) -> io::Result<PodDevices> {
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

/// The entries, each of which is dropped when its ids are read.
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
        let (mut devices, mut count) = (PodDevices::default(), 0);
        while let Some(entry) = entries.next_element::<Entry>()? {
            let Ids(ids) = entry.device_ids.unwrap_or_default();
            count += ids.len();
            check_count(count)?;
            devices.add(&entry.resource_name, ids);
        }
        Ok(Entries(devices.normalized()))
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
            check_count(all.len())?;
        }
        Ok(Ids(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut nodes: A) -> Result<Ids, A::Error> {
        let mut all = Vec::new();
        while let Some((_, ids)) = nodes.next_entry::<IgnoredAny, Option<Ids>>()? {
            all.extend(ids.unwrap_or_default().0);
            check_count(all.len())?;
        }
        Ok(Ids(all))
    }
}

fn check_count<E: Error>(ids: usize) -> Result<(), E> {
    if ids > MAX_IDS {
        return Err(E::custom(format_args!(
            "pods have more than {MAX_IDS} devices"
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
            let devices = of_ids(ids).unwrap();
            assert!(
                devices.is_in_use("intel.com/a", "x") && devices.is_in_use("intel.com/a", "y"),
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
    fn there_is_a_limit_on_ids() {
        let list = format!("[{}\"x\"]", "\"x\",".repeat(MAX_IDS));
        for ids in [list.clone(), format!("{{\"0\":{list}}}")] {
            let error = of_ids(&ids).unwrap_err().to_string();
            assert!(
                error.starts_with("pods have more than 65536 devices"),
                "{error}"
            );
        }
    }
}
