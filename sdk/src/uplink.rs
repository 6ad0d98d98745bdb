//! The link of a physical function, which the traffic of its virtual functions goes through.

use crate::node::{LinkState, Netdev};
use crate::{Finding, FindingKind, Node, PciAddress};

/// The finding about virtual functions whose physical function, at `address`, has no link.
///
/// The link is down without a carrier, and while it is switched off: the virtual functions of the usual drivers have no
/// carrier then either. An InfiniBand interface that is switched off is no finding, because it is only one user of a
/// port with a link of its own. Neither is a physical function whose interface is not in sysfs: it is in a pod, the
/// function is bound to a userspace driver, or it is outside of this virtual machine.
///
/// In switchdev mode the link is that of the uplink, or that of its bond or team (LAG) while that is switched on: the
/// traffic of the virtual functions of each port goes through all of them. Of several interfaces one with a link is
/// enough.
///
/// The reason names the physical function, which may be the device itself.
///
/// ```
/// use sriovdp_sdk::health::check_uplink;
/// use sriovdp_sdk::prelude::*;
///
/// fn discover(node: &Node) -> Discovery<()> {
///     let device = |function: &PciFunction| {
///         let uplink = function.physical_function.and_then(|pf| check_uplink(node, pf));
///         Device::of(function, ()).with_findings([uplink])
///     };
///     node.functions().iter().map(device).collect()
/// }
/// ```
pub fn check_uplink(node: &Node, address: PciAddress) -> Option<Finding> {
    let mut netdevs = node.pf_netdevs(address);
    if netdevs.iter().any(Netdev::is_uplink) {
        netdevs.retain(Netdev::is_uplink);
    }
    let mut reason = None;
    for netdev in &netdevs {
        let lag = netdev.is_uplink().then(|| netdev.lag()).flatten();
        let lag =
            lag.filter(|lag| matches!(lag.link(), Some(LinkState::Up | LinkState::NoCarrier)));
        let state = match lag.as_ref().unwrap_or(netdev).link()? {
            LinkState::Up => return None,
            LinkState::Off if netdev.link_type().as_deref() == Some("infiniband") => continue,
            LinkState::Off => "is switched off",
            LinkState::NoCarrier => "has no link",
        };
        reason.get_or_insert_with(|| {
            let lag = lag.map_or_else(String::new, |lag| format!("the LAG `{}` of ", lag.name()));
            let name = netdev.name();
            format!("{lag}the interface `{name}` of the physical function {address} {state}")
        });
    }
    reason.map(|reason| Finding::new(FindingKind::Link, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostRoot;
    use sriovdp_sdk_testing::Tree;

    #[track_caller]
    fn check(tree: &str, expected: Option<&str>) {
        let tree = Tree::parse(tree).expect("a node").temp();
        let node = Node::new(HostRoot::new(tree.path()), Vec::new(), Vec::new());
        let finding = check_uplink(&node, "0000:41:00.0".parse().expect("an address"));
        assert_eq!(finding.map(|finding| finding.reason).as_deref(), expected);
    }

    #[test]
    fn what_a_link_says() {
        const PF: &str = "pf 0000:41:00.0 8086:10c9 driver=igb net=eth0\n";
        let net = "/sys/bus/pci/devices/0000:41:00.0/net";
        check(PF, None);
        check(
            &format!("{PF}file {net}/eth0/carrier 0"),
            Some("the interface `eth0` of the physical function 0000:41:00.0 has no link"),
        );
        let off = |net: &str| format!("rm {net}/carrier\nfile {net}/flags 0x1002");
        check(
            &format!("{PF}{}", off(&format!("{net}/eth0"))),
            Some("the interface `eth0` of the physical function 0000:41:00.0 is switched off"),
        );
        check(
            &format!(
                "pf 0000:41:00.0 15b3:101b driver=mlx5_core net=ib0 link=infiniband\n{}",
                off(&format!("{net}/ib0"))
            ),
            None,
        );
        check("pf 0000:41:00.0 8086:10c9 driver=vfio-pci", None);
        check("", None);
    }

    #[test]
    fn in_switchdev_mode_the_link_of_a_bond_counts() {
        const UPLINK: &str = "
            pf 0000:41:00.0 15b3:101d driver=mlx5_core net=p0 switch=aabb port=p0
            file /sys/class/net/p0/carrier 0
            net bond0 up=1
            link /sys/class/net/p0/master ../../../../virtual/net/bond0
        ";
        let own = Some("the interface `p0` of the physical function 0000:41:00.0 has no link");
        for (more, expected) in [
            ("", None),
            (
                "file /sys/class/net/bond0/carrier 0",
                Some(
                    "the LAG `bond0` of the interface `p0` of the physical function 0000:41:00.0 has no link",
                ),
            ),
            (
                "file /sys/class/net/bond0/carrier 0\nfile /sys/class/net/p0/carrier 1",
                Some(
                    "the LAG `bond0` of the interface `p0` of the physical function 0000:41:00.0 has no link",
                ),
            ),
            // It is in no use, so the port is on its own.
            (
                "rm /sys/class/net/bond0/carrier\nfile /sys/class/net/bond0/flags 0x1402",
                own,
            ),
            ("rm /sys/class/net/p0/phys_switch_id", own),
            ("rm /sys/class/net/p0/master", own),
            // A VLAN, a bridge or Open vSwitch above the bond makes no difference.
            (
                "net br0 up=1\ndir /sys/class/net/br0/bridge\n\
                 link /sys/class/net/bond0/master ../br0\nfile /sys/class/net/br0/carrier 0",
                None,
            ),
            // Other masters forward to the port, and are up without it.
            ("dir /sys/class/net/bond0/bridge", own),
            ("file /sys/class/net/bond0/flags 0x1481", own),
            (
                "net ovs-system up=1\nlink /sys/class/net/p0/master ../../../../virtual/net/ovs-system",
                own,
            ),
        ] {
            check(&format!("{UPLINK}{more}"), expected);
        }
    }

    #[test]
    fn an_infiniband_child_that_is_switched_off_hides_nothing() {
        let net = "/sys/bus/pci/devices/0000:41:00.0/net";
        let tree = format!(
            "pf 0000:41:00.0 15b3:101b driver=mlx5_core net=child,ib0 link=infiniband\n\
             rm {net}/child/carrier\nfile {net}/child/flags 0x1002\nfile {net}/ib0/carrier 0"
        );
        check(
            &tree,
            Some("the interface `ib0` of the physical function 0000:41:00.0 has no link"),
        );
    }

    #[test]
    fn representors_alone_say_nothing() {
        check(
            "pf 0000:41:00.0 15b3:101b driver=mlx5_core net=r0 switch=aabb port=pf0vf0\n\
             file /sys/class/net/r0/carrier 0",
            None,
        );
    }

    #[test]
    fn one_link_of_several_is_enough_but_a_representor_is_none() {
        let net = "/sys/bus/pci/devices/0000:41:00.0/net";
        let two = "pf 0000:41:00.0 15b3:1003 driver=mlx4_core net=a,b\n";
        check(&format!("{two}file {net}/a/carrier 0"), None);
        check(
            &format!("{two}file {net}/a/carrier 0\nfile {net}/b/carrier 0"),
            Some("the interface `a` of the physical function 0000:41:00.0 has no link"),
        );
        check(
            &format!(
                "{two}file {net}/b/phys_switch_id 01\nfile {net}/b/phys_port_name p0\nfile {net}/b/carrier 0"
            ),
            Some("the interface `b` of the physical function 0000:41:00.0 has no link"),
        );
    }
}
