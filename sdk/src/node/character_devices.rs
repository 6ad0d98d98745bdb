//! The character devices of the kernel, for device nodes that the plugin's own `/dev` lacks.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::HostRoot;

/// A directory with a link for each, named by its number.
const BY_NUMBER: &str = "/sys/dev/char";

/// The names that their nodes have below `/dev`.
///
/// A node has about a thousand. A discovery may need several for each of its devices, so it reads them once; an
/// allocation reads them each time.
#[derive(Debug, Default)]
pub(super) struct CharacterDevices(Option<OnceLock<HashSet<String>>>);

impl CharacterDevices {
    /// For one discovery.
    pub(super) fn read_once() -> Self {
        Self(Some(OnceLock::new()))
    }

    /// Whether one of them is `name`.
    pub(super) fn have(&self, root: &HostRoot, name: &str) -> bool {
        match &self.0 {
            Some(once) => once.get_or_init(|| names(root).collect()).contains(name),
            None => names(root).any(|known| known == name),
        }
    }
}

/// The `uevent` of a device names its node (Linux: `dev_uevent` in `drivers/base/core.c`). A device without a class, such
/// as that of vhost-vdpa, has an empty one, and its node has the name of the device (`device_get_devnode` there).
fn names(root: &HostRoot) -> impl Iterator<Item = String> {
    root.list(BY_NUMBER).into_iter().filter_map(|number| {
        let device = format!("{BY_NUMBER}/{number}");
        let uevent = root.read(&format!("{device}/uevent")).unwrap_or_default();
        let named = uevent
            .lines()
            .find_map(|line| line.strip_prefix("DEVNAME="));
        named.map_or_else(|| root.link_name(&device), |name| Some(name.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sriovdp_sdk_testing::Tree;

    #[test]
    fn a_discovery_sees_what_there_was_when_it_asked_first() {
        let tree = Tree::parse("").expect("a node").temp();
        let root = HostRoot::new(tree.path());
        let (once, each_time) = (CharacterDevices::read_once(), CharacterDevices::default());
        assert!(!once.have(&root, "uio0") && !each_time.have(&root, "uio0"));
        tree.apply("file /sys/dev/char/240:0/uevent DEVNAME=uio0");
        assert!(!once.have(&root, "uio0") && each_time.have(&root, "uio0"));
        assert!(CharacterDevices::read_once().have(&root, "uio0"));
    }
}
