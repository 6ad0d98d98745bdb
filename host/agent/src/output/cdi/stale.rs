//! CDI specifications of pools that no longer exist.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::remove_unfinished;
use super::document::read;
use super::{FILE_PREFIX, WriteError, remove, write_whole};

/// Removes the unfinished files of processes that were killed, and the files of pools that no longer exist: a device in
/// two files is a conflict, and runtimes then resolve it from neither. Files with another prefix belong to other plugins.
/// Entries with `is_in_use` stay: a pod has the device, and its container needs the entry when it restarts.
///
/// # Errors
///
/// When a file cannot be removed or written.
pub fn remove_stale(
    directory: &Path,
    prefixes: &BTreeSet<String>,
    current: &BTreeSet<String>,
    is_in_use: impl Fn(&str) -> bool,
) -> Result<(), WriteError> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        remove_unfinished(&path);
        if !name.starts_with(FILE_PREFIX) || current.contains(&*name) {
            continue;
        }
        let mut document = match read(&path) {
            Ok(document) => document,
            Err(error) => {
                tracing::debug!(
                    event = "cdi_spec_unreadable",
                    path = %path.display(),
                    %error,
                    "no CDI specification of this plugin"
                );
                continue;
            }
        };
        let vendor = document.kind.split('/').next().unwrap_or_default();
        if !prefixes.contains(vendor) {
            continue;
        }
        let before = document.devices.len();
        document.devices.retain(|device| is_in_use(&device.name));
        if document.devices.is_empty() {
            tracing::info!(
                event = "cdi_spec_removed",
                path = %path.display(),
                "removing the CDI specification of a pool that no longer exists"
            );
            remove(path.clone())?;
        } else if document.devices.len() != before {
            let text = serde_json::to_string_pretty(&document).unwrap_or_default();
            write_whole(directory, &name, &text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::PoolSpec;
    use super::*;
    use crate::config::ResourceName;
    use crate::pools::sample;

    #[test]
    fn only_stale_files_of_this_plugin_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for (prefix, name) in [
            ("intel.com", "here"),
            ("intel.com", "gone"),
            ("intel.com", "used"),
            ("other.org", "theirs"),
        ] {
            let spec = PoolSpec::open(
                dir.path(),
                &ResourceName::new(prefix, name, Path::new("/r")).unwrap(),
                "net-pci",
            )
            .unwrap();
            let device = |id: &str| sample::allocated(id, &["/dev/x"]);
            let used = (name == "used").then(|| device("b"));
            spec.update([device("a")].into_iter().chain(used)).unwrap();
        }
        std::fs::write(dir.path().join("vendor.yaml"), "{}").unwrap();
        let current = BTreeSet::from(["sriov-dp-intel.com-net-pci-here.yaml".to_owned()]);
        remove_stale(
            dir.path(),
            &BTreeSet::from(["intel.com".to_owned()]),
            &current,
            |id| id == "b",
        )
        .unwrap();
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        left.sort();
        let expected = [
            "sriov-dp-intel.com-net-pci-here.yaml",
            "sriov-dp-intel.com-net-pci-used.yaml",
            "sriov-dp-other.org-net-pci-theirs.yaml",
            "vendor.yaml",
        ];
        assert_eq!(left, expected);
        let used = read(&dir.path().join("sriov-dp-intel.com-net-pci-used.yaml")).unwrap();
        let used: Vec<_> = used.devices.iter().map(|device| &device.name).collect();
        assert_eq!(used, ["b"]);
    }
}
