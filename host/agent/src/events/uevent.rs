//! One uevent: the kernel's message about one device (Linux: `lib/kobject_uevent.c`).

use std::collections::BTreeSet;

use super::ChangeScope;

/// Network interfaces without a device, such as those of containers.
const VIRTUAL_NETDEVS: &str = "/devices/virtual/net/";

/// A parsed uevent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uevent<'a> {
    /// `add`, `remove`, `bind`, `unbind`, `change` or `move`.
    pub(super) action: &'a str,
    /// The device's directory below `/sys`.
    pub(super) path: &'a str,
    pub(super) subsystem: Option<&'a str>,
}

impl<'a> Uevent<'a> {
    /// Parses a message: `ACTION@PATH`, then `KEY=VALUE` pairs, each ended by a zero.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let mut parts = message
            .split(|&byte| byte == 0)
            .map(|part| std::str::from_utf8(part).ok());
        let (action, path) = parts.next()??.split_once('@')?;
        let is_whole = !action.is_empty() && path.starts_with('/');
        is_whole.then(|| Self {
            action,
            path,
            subsystem: parts
                .flatten()
                .find_map(|pair| pair.strip_prefix("SUBSYSTEM=")),
        })
    }

    /// The scope of the change.
    pub(super) fn scope(&self) -> ChangeScope {
        ChangeScope::of(self.path)
    }

    /// Whether the device may be in a pool, or a device of a pool may depend on it.
    pub(super) fn is_relevant(&self, subsystems: &BTreeSet<String>) -> bool {
        let followed =
            |subsystem: &str| matches!(subsystem, "pci" | "net") || subsystems.contains(subsystem);
        self.subsystem.is_some_and(followed) && !self.path.starts_with(VIRTUAL_NETDEVS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BIND: &[u8] = b"bind@/devices/pci0000:40/0000:40:00.0/0000:41:10.0\0ACTION=bind\0\
        DEVPATH=/devices/pci0000:40/0000:40:00.0/0000:41:10.0\0SUBSYSTEM=pci\0DRIVER=igbvf\0SEQNUM=2117\0";

    #[test]
    fn what_a_kernel_says() {
        let event = Uevent::parse(BIND).unwrap();
        assert_eq!(
            event,
            Uevent {
                action: "bind",
                path: "/devices/pci0000:40/0000:40:00.0/0000:41:10.0",
                subsystem: Some("pci"),
            }
        );
        assert_eq!(Uevent::parse(b"add@/devices/x\0").unwrap().subsystem, None);
        for other in [
            &b"libudev\0\xfe\xed\xca\xfe"[..],
            b"",
            b"@/x",
            b"add@x",
            b"add",
        ] {
            assert_eq!(Uevent::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_is_followed() {
        let followed = BTreeSet::from(["misc".to_owned()]);
        for (path, subsystem, expected) in [
            ("/devices/pci0000:40/0000:40:00.0", "pci", true),
            ("/devices/pci0000:40/0000:40:00.0/net/eth0", "net", true),
            (
                "/devices/pci0000:40/0000:40:00.0/net/eth0/queues/rx-0",
                "queues",
                false,
            ),
            ("/devices/virtual/net/veth0a1b", "net", false),
            ("/devices/virtual/misc/tun", "misc", true),
            ("/devices/virtual/block/loop0", "block", false),
        ] {
            let message = format!("add@{path}\0ACTION=add\0SUBSYSTEM={subsystem}\0");
            let event = Uevent::parse(message.as_bytes()).unwrap();
            assert_eq!(event.is_relevant(&followed), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(message in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(event) = Uevent::parse(&message) {
                prop_assert!(event.path.starts_with('/') && !event.action.is_empty());
            }
        }

        #[test]
        fn what_is_written_is_read(
            action in "[a-z]{1,10}",
            path in "/[a-zA-Z0-9:./_-]{0,60}",
            before in prop::collection::vec("[A-RT-Z]{1,9}=[^\0]{0,20}", 0..5),
            subsystem in "[a-z_-]{1,20}",
        ) {
            let pairs: String = before.iter().map(|pair| format!("{pair}\0")).collect();
            let message = format!("{action}@{path}\0{pairs}SUBSYSTEM={subsystem}\0SEQNUM=1\0");
            let expected = Uevent { action: &action, path: &path, subsystem: Some(&subsystem) };
            prop_assert_eq!(Uevent::parse(message.as_bytes()), Some(expected));
        }
    }
}
