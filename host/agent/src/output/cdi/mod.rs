//! CDI specifications: one file for each pool, from which the container runtime takes device nodes and the environment
//! variables of devices.
//!
//! A container that restarts needs the entry of its device as much as a new one does. So entries are kept while the pool
//! exists, also over restarts of the plugin, and a device whose nodes are missing now, because they are in a pod's
//! namespace, keeps those that it had.

mod document;
mod names;
mod stale;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use document::{DeviceEntry, Document, Edits, read};

pub use names::{CdiNames, annotation};
pub use stale::remove_stale;

use super::{FileIdentity, WriteError, remove, write_whole};
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
    entries: Mutex<Entries>,
}

/// The entries of a specification, and the file that has them.
#[derive(Debug, Default)]
struct Entries {
    devices: BTreeMap<String, DeviceEdits>,
    /// Nothing when there are no entries, or when they could not be written.
    file: Option<FileIdentity>,
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
        // Before it is read: a later file has another identity.
        let identity = FileIdentity::of(&path);
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
        let devices = earlier.map_or_else(Vec::new, |document| document.devices);
        let entries = Entries {
            devices: devices.into_iter().map(DeviceEntry::into_edits).collect(),
            // Also of a file that could not be read, which stays until there are entries to write.
            file: identity,
        };
        Some(Self {
            directory: directory.to_owned(),
            entries: Mutex::new(entries),
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

    /// Removes the entries of the devices that are not to be kept.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn retain(&self, is_kept: impl Fn(&str) -> bool) -> Result<(), WriteError> {
        self.change(|devices| devices.retain(|id, _| is_kept(id)))
    }

    /// Writes the file again if another program has changed or removed it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn restore(&self) -> Result<(), WriteError> {
        self.restore_file(&mut self.entries())
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, DeviceEdits>),
    ) -> Result<(), WriteError> {
        let mut entries = self.entries();
        let before = entries.devices.clone();
        change(&mut entries.devices);
        if entries.devices == before {
            return self.restore_file(&mut entries);
        }
        match self.write(&entries.devices) {
            Ok(file) => entries.file = file,
            Err(error) => {
                // As in the file, or the next attempt would find nothing to change.
                entries.devices = before;
                return Err(error);
            }
        }
        Ok(())
    }

    fn restore_file(&self, entries: &mut Entries) -> Result<(), WriteError> {
        if entries.file != FileIdentity::of(&self.directory.join(&self.file)) {
            entries.file = self.write(&entries.devices)?;
        }
        Ok(())
    }

    fn write(
        &self,
        devices: &BTreeMap<String, DeviceEdits>,
    ) -> Result<Option<FileIdentity>, WriteError> {
        if devices.is_empty() {
            // A specification without devices is invalid.
            remove(self.directory.join(&self.file))?;
            return Ok(None);
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
        let text = serde_json::to_string_pretty(&document).unwrap_or_default();
        write_whole(&self.directory, &self.file, &text).map(Some)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
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
#[cfg(fuzzing)]
pub(crate) fn is_specification(text: &[u8]) -> bool {
    document::parse(text).is_ok()
}

#[cfg(test)]
mod tests;
