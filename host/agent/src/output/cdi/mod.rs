//! CDI specifications: one file for each pool, from which the container runtime takes device nodes and the environment
//! variables of devices.
//!
//! A container that restarts needs the entry of its device as much as a new one does. So entries are kept while the pool
//! exists, also over restarts of the plugin, and a device whose nodes are missing now, because they are in a pod's
//! namespace, keeps those that it had.

mod document;
mod names;
mod stale;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use document::{DeviceEntry, Document, Edits, read};

pub use names::{CdiNames, annotation};
pub use stale::remove_stale;

use super::{WriteError, remove, write_whole};
use crate::config::ResourceName;
use crate::pools::{AllocatedDevice, DeviceEdits};

/// The lowest version that has everything in these files: `hostPath`, and device names that begin with a digit.
/// Container runtimes refuse newer versions than their own.
const VERSION: &str = "0.5.0";
/// The prefix of file names, as the Go plugin has it.
const FILE_PREFIX: &str = "sriov-dp-";

/// The specification of one pool.
#[derive(Debug)]
pub struct PoolSpec {
    directory: PathBuf,
    file: String,
    kind: String,
    devices: Mutex<BTreeMap<String, DeviceEdits>>,
}

impl PoolSpec {
    /// The specification of a resource, with the entries of an earlier run of the plugin. Nothing when the resource's
    /// prefix is no CDI vendor; its containers then get their nodes from the kubelet.
    pub fn open(directory: &Path, resource: &ResourceName, class: &str) -> Option<Self> {
        if !is_vendor(resource.prefix()) || !is_class(class) {
            return None;
        }
        let file = format!(
            "{FILE_PREFIX}{}-{class}-{}.yaml",
            resource.prefix(),
            resource.name()
        );
        let kind = format!("{}/{class}", resource.prefix());
        let path = directory.join(&file);
        let earlier = match read(&path) {
            Ok(document) => Some(document).filter(|document| document.kind == kind),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(
                        event = "cdi_spec_unreadable",
                        path = %path.display(),
                        %error,
                        "cannot read the CDI specification; replacing it"
                    );
                }
                None
            }
        };
        let devices = earlier.map(|document| {
            document
                .devices
                .into_iter()
                .map(DeviceEntry::into_edits)
                .collect()
        });
        Some(Self {
            directory: directory.to_owned(),
            devices: Mutex::new(devices.unwrap_or_default()),
            file,
            kind,
        })
    }

    /// The name by which a runtime finds a device.
    pub fn qualified(&self, id: &str) -> String {
        format!("{}={id}", self.kind)
    }

    /// Brings entries up to date. A device without edits has no entry, because such an entry is invalid.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn update(
        &self,
        allocated: impl IntoIterator<Item = AllocatedDevice>,
    ) -> Result<(), WriteError> {
        self.change(|devices| {
            for AllocatedDevice { id, mut edits } in allocated {
                if edits.is_empty() {
                    continue;
                }
                let entry = devices.entry(id.to_string()).or_default();
                if edits.nodes.is_empty() {
                    edits.nodes = std::mem::take(&mut entry.nodes);
                }
                *entry = edits;
            }
        })
    }

    /// Removes the entries of devices that are not `members` of the pool.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn keep_only(&self, members: &BTreeSet<&str>) -> Result<(), WriteError> {
        self.change(|devices| devices.retain(|id, _| members.contains(id.as_str())))
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, DeviceEdits>),
    ) -> Result<(), WriteError> {
        let mut devices = self.devices();
        let before = devices.clone();
        change(&mut devices);
        let path = self.directory.join(&self.file);
        if *devices == before && (path.exists() || devices.is_empty()) {
            return Ok(());
        }
        let written = self.write(&devices);
        if written.is_err() {
            // As in the file, or the next attempt would find nothing to change.
            *devices = before;
        }
        written
    }

    fn write(&self, devices: &BTreeMap<String, DeviceEdits>) -> Result<(), WriteError> {
        if devices.is_empty() {
            // A specification without devices is invalid.
            return remove(self.directory.join(&self.file));
        }
        let document = Document {
            version: VERSION.to_owned(),
            kind: self.kind.clone(),
            devices: devices
                .iter()
                .map(|(id, edits)| DeviceEntry::new(id, edits))
                .collect(),
            edits: Edits::default(),
        };
        // JSON is YAML as well, and serialising plain structs does not fail.
        write_whole(
            &self.directory,
            &self.file,
            &serde_json::to_string_pretty(&document).unwrap_or_default(),
        )
    }

    fn devices(&self) -> MutexGuard<'_, BTreeMap<String, DeviceEdits>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The CDI library's rule, with at least two characters: its version 0.5.4 crashes with one.
fn is_vendor(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    bytes.len() > 1
        && bytes[0].is_ascii_alphabetic()
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(inner)
}

/// As a vendor, but without dots, which classes may have since 0.6.0 only.
fn is_class(text: &str) -> bool {
    is_vendor(text) && !text.contains('.')
}

/// Whether a text is a specification that this plugin may have written.
pub(crate) fn is_specification(text: &[u8]) -> bool {
    document::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sriovdp_sdk::{DeviceNode, Permissions};

    use super::*;
    use crate::pools::sample::allocated as device;

    fn resource(prefix: &str, name: &str) -> ResourceName {
        ResourceName::new(prefix, name, Path::new("/r")).unwrap()
    }

    fn content(directory: &Path, file: &str) -> Value {
        serde_json::from_slice(&std::fs::read(directory.join(file)).unwrap()).unwrap()
    }

    #[test]
    fn a_pool_is_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let spec = PoolSpec::open(dir.path(), &resource("intel.com", "dpdk"), "net-pci").unwrap();
        let entry = device("0000:03:02.0", &["/dev/vfio/40"]);
        spec.update([entry, device("0000:03:02.1", &[])]).unwrap();
        assert_eq!(
            content(dir.path(), "sriov-dp-intel.com-net-pci-dpdk.yaml"),
            json!({
                "cdiVersion": "0.5.0",
                "kind": "intel.com/net-pci",
                "containerEdits": {},
                "devices": [{"name": "0000:03:02.0", "containerEdits": {"deviceNodes": [
                    {"path": "/dev/vfio/40", "hostPath": "/dev/vfio/40", "permissions": "rw"}
                ]}}]
            })
        );
        assert_eq!(
            spec.qualified("0000:03:02.0"),
            "intel.com/net-pci=0000:03:02.0"
        );
        spec.keep_only(&BTreeSet::new()).unwrap();
        assert!(
            std::fs::read_dir(dir.path()).unwrap().next().is_none(),
            "no devices, no file"
        );
    }

    #[test]
    fn entries_outlive_the_plugin() {
        let dir = tempfile::tempdir().unwrap();
        let open =
            || PoolSpec::open(dir.path(), &resource("intel.com", "rdma"), "net-pci").unwrap();
        open()
            .update([device("a", &["/dev/infiniband/uverbs0"])])
            .unwrap();
        // The nodes of the device are in a pod's namespace now.
        open()
            .update([device("a", &[]), device("b", &["/dev/x"])])
            .unwrap();
        let written = content(dir.path(), open().file());
        let names: Vec<&Value> = written["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| &d["name"])
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn variables_and_permissions_are_in_the_entry() {
        let dir = tempfile::tempdir().unwrap();
        let name = resource("intel.com", "x");
        let open = || PoolSpec::open(dir.path(), &name, "net-pci").unwrap();
        let mut with_env = device("a", &["/dev/x"]);
        let read = Permissions::READ;
        with_env.edits.nodes[0] = DeviceNode::new("/dev/x", "/dev/y").with_permissions(read);
        with_env.edits.env.insert("A".to_owned(), "b=c".to_owned());
        open().update([with_env.clone()]).unwrap();
        let edits = |content: Value| content["devices"][0]["containerEdits"].clone();
        let expected = json!({
            "deviceNodes": [{"path": "/dev/y", "hostPath": "/dev/x", "permissions": "r"}],
            "env": ["A=b=c"],
        });
        assert_eq!(edits(content(dir.path(), open().file())), expected);
        // The node is in a pod's namespace now.
        with_env.edits.nodes.clear();
        open().update([with_env]).unwrap();
        assert_eq!(edits(content(dir.path(), open().file())), expected);
    }

    #[test]
    fn a_write_that_fails_is_retried() {
        let dir = tempfile::tempdir().unwrap();
        let x = resource("intel.com", "x");
        let spec = PoolSpec::open(dir.path(), &x, "net-pci").unwrap();
        let entry = |id: &str| [device(id, &["/dev/x"])];
        spec.update(entry("a")).unwrap();
        let (path, aside) = (dir.path().join(spec.file()), dir.path().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        std::fs::create_dir(&path).unwrap();
        spec.update(entry("b")).unwrap_err();
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        spec.update(entry("b")).unwrap();
        let written = content(dir.path(), spec.file());
        assert_eq!(written["devices"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn vendors_and_classes_of_the_cdi_library() {
        for (text, vendor, class) in [
            ("intel.com", true, false),
            ("net-pci", true, true),
            ("x", false, false),
            ("0a", false, false),
            ("a-", false, false),
        ] {
            assert_eq!((is_vendor(text), is_class(text)), (vendor, class), "{text}");
        }
    }
}
