//! The PCI functions of which a discovery could not read something that is there.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::path::{Component, Path, PathBuf};

use crate::PciAddress;

thread_local! {
    static UNREAD: RefCell<Option<BTreeSet<PciAddress>>> = const { RefCell::new(None) };
}

/// Runs `discover`, and returns the functions of which it could not read something on this thread.
pub(crate) fn during<T>(discover: impl FnOnce() -> T) -> (T, BTreeSet<PciAddress>) {
    UNREAD.set(Some(BTreeSet::new()));
    let found = discover();
    (found, UNREAD.take().unwrap_or_default())
}

/// The read of `path` has failed with `error`.
pub(super) fn note(path: impl FnOnce() -> PathBuf, error: &Error) {
    UNREAD.with_borrow_mut(|unread| match unread {
        Some(unread) if !is_answer(error) => unread.extend(function(&path())),
        _ => {}
    });
}

/// Whether the error is the kernel's answer that the device has no such value; any other one may be over soon. It is `EPERM`
/// for an `acpi_index` that the firmware has malformed (Linux: `dsm_get_label` in `drivers/pci/pci-label.c`).
fn is_answer(error: &Error) -> bool {
    use ErrorKind::{InvalidInput, NotADirectory, NotFound, PermissionDenied, Unsupported};
    matches!(
        error.kind(),
        NotFound | NotADirectory | InvalidInput | PermissionDenied | Unsupported
    )
}

/// The function that a path of sysfs belongs to: the last address in it, or in where its links lead.
fn function(path: &Path) -> Option<PciAddress> {
    let last = |path: &Path| {
        let mut names = path
            .components()
            .rev()
            .filter_map(|component| match component {
                Component::Normal(name) => name.to_str(),
                _ => None,
            });
        names.find_map(|name| name.parse().ok())
    };
    last(path).or_else(|| last(&path.canonicalize().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostRoot;

    #[test]
    fn what_is_there_and_cannot_be_read_is_noted_for_its_function() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = HostRoot::new(dir.path());
        let function = "/sys/devices/pci0000:17/0000:17:00.0/0000:18:00.1";
        let auxiliary = format!("{function}/mlx5_core.sf.2");
        std::fs::create_dir_all(root.path(&format!("{auxiliary}/sfnum"))).expect("directories");
        std::fs::create_dir_all(root.path("/sys/bus/auxiliary/devices")).expect("directories");
        let link = root.path("/sys/bus/auxiliary/devices/mlx5_core.sf.2");
        std::os::unix::fs::symlink(root.path(&auxiliary), link).expect("a link");
        for (path, is_noted) in [
            // A directory in place of an attribute fails each read of it.
            (&*auxiliary, true),
            ("/sys/bus/auxiliary/devices/mlx5_core.sf.2/sfnum", true),
            (&format!("{function}/numa_node"), false),
            ("/sys/bus/auxiliary/devices", false),
        ] {
            let (text, unread) = during(|| root.read(path));
            let expected = is_noted.then(|| "0000:18:00.1".parse().expect("an address"));
            assert_eq!(
                (text, unread),
                (None, expected.into_iter().collect()),
                "{path}"
            );
        }
        assert_eq!(
            root.read(&auxiliary),
            None,
            "outside of a discovery nothing is noted"
        );
        assert_eq!(during(|| ()).1, BTreeSet::new());
    }
}
