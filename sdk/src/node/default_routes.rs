//! Which network interfaces the default route of the node needs.

use std::collections::BTreeSet;

use super::HostRoot;
use super::kernel::Kernel;
use crate::lowest_metric::LowestMetric;
use sriovdp_provider_abi::wire::{DefaultRoutes, method};

/// The interface of the kernel datapath of Open vSwitch. The physical interfaces of all its bridges are below this one
/// (Linux: `net/openvswitch/vport-netdev.c`).
pub(super) const OVS_DATAPATH: &str = "ovs-system";
const LOOPBACK: &str = "lo";
/// The route rejects packets, so it leads nowhere (Linux: `include/uapi/linux/route.h`).
const RTF_REJECT: u32 = 0x0200;

pub(super) fn default_route_netdevs(root: &HostRoot, kernel: Kernel) -> BTreeSet<String> {
    let nothing = serde_json::Map::new();
    let answer: Option<DefaultRoutes> = kernel.query(method::DEFAULT_ROUTES, &nothing);
    let mut pending = answer.unwrap_or_default().netdevs;
    if pending.is_empty() {
        // Without an answer of the host. These files have less: see `Node::default_route_netdevs`.
        pending = in_files(root);
    }
    let mut found = BTreeSet::new();
    while let Some(netdev) = pending.pop() {
        if netdev == LOOPBACK || !found.insert(netdev.clone()) {
            continue;
        }
        let below = lower(root, &netdev);
        if below.is_empty() && !root.exists(&format!("/sys/class/net/{netdev}/device")) {
            // Nothing in sysfs distinguishes the internal port of an Open vSwitch bridge from another virtual interface, nor
            // which of the physical interfaces is in the same bridge.
            pending.extend(lower(root, OVS_DATAPATH));
        }
        pending.extend(below);
    }
    found
}

/// The interfaces directly below `netdev`. The kernel links an upper device to each lower one: bond and bridge to their
/// members, VLAN to its parent.
fn lower(root: &HostRoot, netdev: &str) -> Vec<String> {
    let entries = root.list(&format!("/sys/class/net/{netdev}"));
    let lower = entries
        .iter()
        .filter_map(|name| name.strip_prefix("lower_"));
    lower.map(str::to_owned).collect()
}

/// Routes of IPv6 count where IPv4 has none: router advertisements make them on every interface that is up.
fn in_files(root: &HostRoot) -> Vec<String> {
    for (file, is_ipv6) in [("/proc/net/route", false), ("/proc/net/ipv6_route", true)] {
        let table = root.read(file).unwrap_or_default();
        let default = if is_ipv6 { ipv6_default } else { ipv4_default };
        let mut routes = LowestMetric::default();
        for route in table.lines().filter_map(default) {
            routes.add(route.source, route.metric, [route.netdev.to_owned()]);
        }
        if !routes.is_empty() {
            return routes.netdevs().into_iter().collect();
        }
    }
    Vec::new()
}

/// A default route that leads somewhere.
struct Route<'a> {
    /// The source addresses that it is for: a prefix and its length.
    source: (&'a str, &'a str),
    metric: u32,
    netdev: &'a str,
}

/// A line of `/proc/net/route`: interface, destination, gateway, flags, two counters, metric, mask, ... A black hole has
/// the interface `*`.
fn ipv4_default(line: &str) -> Option<Route<'_>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let is_default = *fields.get(1)? == "00000000" && *fields.get(7)? == "00000000";
    let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
    let netdev = fields[0];
    let leads_somewhere = flags & RTF_REJECT == 0 && netdev != "*" && netdev != LOOPBACK;
    let metric = fields.get(6)?.parse().ok()?;
    (is_default && leads_somewhere).then_some(Route {
        source: ("", ""),
        metric,
        netdev,
    })
}

/// A line of `/proc/net/ipv6_route`: destination, prefix length, source, its length, next hop, metric, two counters,
/// flags, interface.
fn ipv6_default(line: &str) -> Option<Route<'_>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let is_default = fields.first()?.bytes().all(|b| b == b'0') && *fields.get(1)? == "00";
    let flags = u32::from_str_radix(fields.get(8)?, 16).ok()?;
    let netdev = *fields.get(9)?;
    let leads_somewhere = flags & RTF_REJECT == 0 && netdev != LOOPBACK;
    let metric = u32::from_str_radix(fields.get(5)?, 16).ok()?;
    (is_default && leads_somewhere).then_some(Route {
        source: (fields[2], fields[3]),
        metric,
        netdev,
    })
}

#[cfg(test)]
mod tests {
    use abi_stable::std_types::{RErr, ROk, RStr, RString};

    use super::*;
    use sriovdp_provider_abi::{HostFunctions, Outcome};

    const NONE: &str = "00000000000000000000000000000000";

    /// A line of the table of IPv4.
    fn v4(netdev: &str, destination: &str, mask: &str, flags: &str, metric: u32) -> String {
        format!("{netdev}\t{destination}\t0100000A\t{flags}\t0\t0\t{metric}\t{mask}\t0\t0\t0\n")
    }

    fn v4_default(netdev: &str, metric: u32) -> String {
        v4(netdev, "00000000", "00000000", "0003", metric)
    }

    /// A line of the table of IPv6, for packets from `source`.
    fn v6(netdev: &str, source: &str, flags: &str, metric: u32) -> String {
        format!("{NONE} 00 {source} {NONE} {metric:08x} 00000001 00000000 {flags} {netdev:>8}\n")
    }

    fn v6_default(netdev: &str, metric: u32) -> String {
        v6(netdev, &format!("{NONE} 00"), "00450003", metric)
    }

    /// A node with these two tables, and below each interface of `lower` the other one.
    fn tree(
        ipv4: &[String],
        ipv6: &[String],
        lower: &[(&str, &str)],
    ) -> (tempfile::TempDir, HostRoot) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let proc = dir.path().join("proc/net");
        std::fs::create_dir_all(&proc).expect("a directory");
        std::fs::write(proc.join("route"), ipv4.concat()).expect("a file");
        std::fs::write(proc.join("ipv6_route"), ipv6.concat()).expect("a file");
        for (netdev, below) in lower {
            let netdev = dir.path().join("sys/class/net").join(netdev);
            std::fs::create_dir_all(netdev.join(below)).expect("a directory");
        }
        let root = HostRoot::new(dir.path());
        (dir, root)
    }

    #[track_caller]
    fn check(ipv4: &[String], ipv6: &[String], lower: &[(&str, &str)], expected: &[&str]) {
        let (_dir, root) = tree(ipv4, ipv6, lower);
        let netdevs = default_route_netdevs(&root, Kernel::Files);
        assert_eq!(Vec::from_iter(&netdevs), expected);
    }

    #[test]
    fn everything_below_the_interface_of_a_default_route() {
        check(
            &[v4_default("bond0.7", 0)],
            &[],
            &[
                ("bond0.7", "lower_bond0"),
                ("bond0", "lower_eno1"),
                ("bond0", "lower_eno2"),
            ],
            &["bond0", "bond0.7", "eno1", "eno2"],
        );
        check(&[], &[], &[], &[]);
    }

    #[test]
    fn only_routes_to_everywhere_that_lead_somewhere() {
        check(
            &[
                v4("eno1", "0000000A", "00FFFFFF", "0001", 0),
                v4("eno2", "00000000", "00000080", "0003", 0),
                v4("eno2", "00000080", "00000080", "0003", 0),
                v4("*", "00000000", "00000000", "0001", 0),
                v4("eno3", "00000000", "00000000", "0203", 0),
                v4_default("lo", 0),
            ],
            &[
                v6("lo", &format!("{NONE} 00"), "00200200", u32::MAX),
                v6("eno4", &format!("{NONE} 00"), "00000201", 1),
                v6_default("eno5", 1024),
            ],
            &[],
            &["eno5"],
        );
    }

    #[test]
    fn the_lowest_metric_counts() {
        check(
            &[
                v4_default("eno2v0", 101),
                v4_default("eno1", 100),
                v4_default("eno2v1", 20_102),
                v4_default("eno2v2", 4_278_198_272),
                v4_default("eno3", 100),
            ],
            &[v6_default("eno4", 100)],
            &[],
            &["eno1", "eno3"],
        );
        check(
            &[v4_default("a", 0), v4_default("b", u32::MAX)],
            &[],
            &[],
            &["a"],
        );
    }

    #[test]
    fn router_advertisements_count_where_ipv4_has_no_route() {
        let advertised = ["rail0", "rail1"].map(|netdev| v6_default(netdev, 1024));
        check(
            &advertised.clone().map(|_| String::new()),
            &advertised,
            &[],
            &["rail0", "rail1"],
        );
        check(&[v4_default("eno1", 100)], &advertised, &[], &["eno1"]);
        let better = [v6_default("eno1", 100), v6_default("rail0", 1024)];
        check(&[], &better, &[], &["eno1"]);
    }

    #[test]
    fn a_route_for_some_sources_does_not_compete_with_the_one_for_all() {
        let of_a_source = v6(
            "eno2",
            "20010db8000000000000000000000000 40",
            "00000003",
            10,
        );
        check(
            &[],
            &[v6_default("eno1", 1024), of_a_source],
            &[],
            &["eno1", "eno2"],
        );
    }

    #[test]
    fn the_members_of_open_vswitch_below_one_of_its_bridges() {
        let ovs = [
            ("ovs-system", "lower_ens1f0"),
            ("ovs-system", "lower_bond1"),
            ("bond1", "lower_ens2f0"),
        ];
        let route = |netdev| [v4_default(netdev, 0)];
        check(
            &route("br-ex"),
            &[],
            &ovs,
            &["bond1", "br-ex", "ens1f0", "ens2f0"],
        );
        let vlan = [&ovs[..], &[("br-ex.7", "lower_br-ex")]].concat();
        let all = ["bond1", "br-ex", "br-ex.7", "ens1f0", "ens2f0"];
        check(&route("br-ex.7"), &[], &vlan, &all);
        // A bridge of the kernel, and an interface of a PCI function, are none of its ports.
        let other = [&ovs[..], &[("br0", "lower_eno1"), ("eno1", "device")]].concat();
        check(&route("br0"), &[], &other, &["br0", "eno1"]);
        check(&route("eno1"), &[], &other, &["eno1"]);
    }

    extern "C" fn has_next_hops(method: RStr<'_>, query: RStr<'_>) -> Outcome {
        assert_eq!((method.as_str(), query.as_str()), ("default_routes", "{}"));
        ROk(RString::from(r#"{"netdevs":["bond0","eno4"]}"#))
    }

    extern "C" fn knows_devlink_only(_: RStr<'_>, _: RStr<'_>) -> Outcome {
        RErr(RString::from("{}"))
    }

    extern "C" fn may_not_ask(_: RStr<'_>, _: RStr<'_>) -> Outcome {
        ROk(RString::from("null"))
    }

    #[test]
    fn the_host_knows_every_next_hop_and_the_table_of_each_route() {
        // The route of `eno7` is in the table of a VRF, which the file does not show.
        let (_dir, root) = tree(
            &[v4_default("bond0", 0)],
            &[v6_default("eno7", 1)],
            &[("bond0", "lower_eno1")],
        );
        let netdevs = |call| {
            let kernel = Kernel::Host(HostFunctions { call });
            Vec::from_iter(default_route_netdevs(&root, kernel))
        };
        assert_eq!(netdevs(has_next_hops), ["bond0", "eno1", "eno4"]);
        // An older host, and one without an answer: the files count.
        assert_eq!(netdevs(knows_devlink_only), ["bond0", "eno1"]);
        assert_eq!(netdevs(may_not_ask), ["bond0", "eno1"]);
    }
}
