//! CDI specifications of pools that no longer exist.

use std::collections::BTreeSet;
use std::path::Path;

use super::document::read;
use super::{FILE_PREFIX, WriteError, remove};

/// Removes the files that earlier runs wrote for pools that no longer exist: a device in two files is a conflict, and
/// runtimes then know it from neither. Files of another plugin's prefix are not ours.
///
/// # Errors
///
/// When a file cannot be removed.
pub fn remove_stale(
    directory: &Path,
    prefixes: &BTreeSet<&str>,
    current: &BTreeSet<&str>,
) -> Result<(), WriteError> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with(FILE_PREFIX) || current.contains(&*name) {
            continue;
        }
        let kind = read(&path)
            .map(|document| document.kind)
            .unwrap_or_default();
        if kind
            .split('/')
            .next()
            .is_some_and(|vendor| prefixes.contains(vendor))
        {
            tracing::info!(file = %path.display(), "removing the CDI specification of a pool that is gone");
            remove(path.clone())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{CdiNames, PoolSpec};
    use super::*;
    use crate::config::ResourceName;

    #[test]
    fn only_our_own_stale_files_go() {
        let dir = tempfile::tempdir().unwrap();
        for (prefix, name) in [
            ("intel.com", "here"),
            ("intel.com", "gone"),
            ("other.org", "theirs"),
        ] {
            let spec = PoolSpec::open(
                dir.path(),
                &ResourceName::new(prefix, name, Path::new("/r")).unwrap(),
                "net-pci",
                CdiNames::Field,
            )
            .unwrap();
            spec.update([(
                "a".to_owned(),
                vec![("/dev/x".to_owned(), "/dev/x".to_owned())],
            )])
            .unwrap();
        }
        std::fs::write(dir.path().join("vendor.yaml"), "{}").unwrap();
        let current = BTreeSet::from(["sriov-dp-intel.com-net-pci-here.yaml"]);
        remove_stale(dir.path(), &BTreeSet::from(["intel.com"]), &current).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        left.sort();
        let expected = [
            "sriov-dp-intel.com-net-pci-here.yaml",
            "sriov-dp-other.org-net-pci-theirs.yaml",
            "vendor.yaml",
        ];
        assert_eq!(left, expected);
    }
}
