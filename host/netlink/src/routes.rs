//! The interfaces of the node's default routes, from the kernel's routing tables (Linux: `Documentation/netlink/specs/rt-route.yaml`).

use std::collections::BTreeSet;

use netlink_bindings::rt_route::{IterableRouteAttrs, Request, Rtmsg};
use rustix::net::netdevice::index_to_name;
use serde_json::Value;
use sriovdp_provider_abi::wire::DefaultRoutes;
use sriovdp_sdk::lowest_metric::LowestMetric;

use super::NetlinkError;
use super::socket::NetlinkSocket;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// The main table, `RT_TABLE_MAIN`.
const MAIN: u8 = 254;
/// A route to an interface, `RTN_UNICAST`.
const UNICAST: u8 = 1;
/// The index that `lo` has in each network namespace.
const LOOPBACK: u32 = 1;
/// Length of a next hop's head, `struct rtnexthop`: its whole length in two bytes, flags, weight, and four bytes of
/// interface index (Linux: `include/uapi/linux/rtnetlink.h`).
const NEXT_HOP: usize = 8;

/// The interfaces of all next hops of the default routes that the node uses, as JSON.
///
/// # Errors
///
/// See [`NetlinkSocket::query`].
pub(super) fn default_routes(socket: &mut NetlinkSocket) -> Result<Value, NetlinkError> {
    let mut netdevs = BTreeSet::new();
    for index in default_route_indexes(socket)? {
        // An interface that has been removed meanwhile carries no traffic.
        netdevs.extend(index_to_name(socket.descriptor(), index));
    }
    let routes = DefaultRoutes {
        netdevs: netdevs.into_iter().collect(),
    };
    Ok(serde_json::to_value(routes).unwrap_or_default())
}

/// The same as interface indexes. Routes of IPv6 count without one of IPv4 only: router advertisements create them on
/// every interface that is up.
pub(super) fn default_route_indexes(
    socket: &mut NetlinkSocket,
) -> Result<BTreeSet<u32>, NetlinkError> {
    for family in [AF_INET, AF_INET6] {
        let mut routes = LowestMetric::default();
        let mut of = Rtmsg::new();
        of.rtm_family = family;
        let request = Request::new().op_getroute_dump(&of);
        socket.query(&request, |(route, attributes)| {
            let next_hops = next_hops(&attributes);
            if is_default(&route, family) && next_hops != [LOOPBACK] {
                let source = (route.rtm_src_len, attributes.get_src().ok());
                let applies_to = (route.rtm_tos, source);
                // A route of IPv4 without a metric has the metric 0.
                let metric = attributes.get_priority().unwrap_or(0);
                routes.add(applies_to, metric, next_hops);
            }
        })?;
        if !routes.is_empty() {
            return Ok(routes.netdevs());
        }
    }
    Ok(BTreeSet::new())
}

fn is_default(route: &Rtmsg, family: u8) -> bool {
    route.rtm_family == family
        && route.rtm_dst_len == 0
        && route.rtm_table == MAIN
        && route.rtm_type == UNICAST
}

/// A route has one next hop itself, or a list of them.
fn next_hops(route: &IterableRouteAttrs<'_>) -> Vec<u32> {
    let mut indexes = Vec::from_iter(route.get_oif());
    let mut rest = route.get_multipath().unwrap_or_default();
    while let Some(head) = rest.first_chunk::<NEXT_HOP>() {
        let [a, b, _, _, index @ ..] = *head;
        indexes.push(u32::from_ne_bytes(index));
        let length = usize::from(u16::from_ne_bytes([a, b])).max(NEXT_HOP);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    indexes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::kernel;

    /// Routes of Linux 6.18 with `default nexthop via 192.0.2.1 dev d0 nexthop via 198.51.100.1 dev d1`, one with the
    /// metric 500 through `d2`, one that is a black hole, one of table 100 through `d2`, and the network of `d0`. The
    /// interfaces are 3, 4 and 5.
    const RECORDED: [&str; 5] = [
        "02000000640300011000000008000f006400000008000500cb0071090800040005000000",
        "02000000fe0300011000000008000f00fe00000024000900100010000300000008000500c0000201100010000400000008000500c6336401",
        "02000000fe0300011000000008000f00fe00000008000600f401000008000500cb0071010800040005000000",
        "02000000fe0300060000000008000f00fe0000000800060084030000",
        "02180000fe02fd011000000008000f00fe00000008000100c000020008000700c00002020800040003000000",
    ];

    /// Routes of the same kernel through the interfaces 2 to 4. Of IPv4: one with the metric 5 for a type of service, a
    /// black hole with the metric 50, and a group of next hops with the metric 90. Of IPv6: one of table 100 with the
    /// metric 1, one with the metric 7 for the source addresses 2001:db8:2::/64, a group of next hops with the metric 90,
    /// two next hops with the metric 500, and one that is unreachable.
    const SERVICE: &str =
        "02000010fe0300010000000008000f00fe000000080006000500000008000500cb0071010800040004000000";
    const BLACK_HOLE: &str = "02000000fe0300060000000008000f00fe0000000800060032000000";
    const GROUP: &str = "02000000fe0300010000000008000f00fe000000080006005a00000008001e000300000024000900100000000200000008000500c0000201100000000300000008000500c6336401";
    const IPV6: [&str; 5] = [
        "0a000000640300010000000008000f006400000008000600010000001400050020010db8000200000000000000000001080004000400000024000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000",
        "0a004000fe0300010000000008000f00fe0000001400020020010db800020000000000000000000008000600070000001400050020010db8000200000000000000000001080004000400000024000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000",
        "0a000000fe0300010000000008000f00fe000000080006005a00000008001e000d0000003c0009001c000000020000001400050020010db80000000000000000000000011c000000030000001400050020010db800010000000000000000000124000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000",
        "0a000000fe0300010000000008000f00fe00000008000600f40100003c0009001c000000020000001400050020010db80000000000000000000000011c000000030000001400050020010db800010000000000000000000124000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000",
        "0a000000fe0300070000000008000f00fe00000008000600002000ff080004000100000024000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000",
    ];

    /// What is made of some of the recorded routes; this end sends little-endian numbers, as the recording has them.
    #[track_caller]
    fn check(routes: &[&'static str], expected: &[u32]) {
        let routes = routes.to_vec();
        let (mut socket, _) = kernel(move |request| {
            let all = routes
                .iter()
                .map(|route| request.message(24, &bytes(route)));
            assert_eq!((request.kind, request.flags & 0x300), (26, 0x300));
            vec![all.collect::<Vec<_>>().concat(), request.end(3, 0)]
        });
        let indexes = default_route_indexes(&mut socket).unwrap();
        assert_eq!(Vec::from_iter(indexes), expected);
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(pair).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn every_next_hop_of_the_route_with_the_lowest_metric_counts() {
        // Without a metric, 0 is meant.
        check(&RECORDED, &[3, 4]);
        check(&RECORDED[1..2], &[3, 4]);
        check(&RECORDED[2..], &[5]);
        check(&[GROUP, RECORDED[2]], &[2, 3]);
        check(&[RECORDED[2], BLACK_HOLE], &[5]);
        check(&RECORDED[..1], &[]);
        check(&RECORDED[3..], &[]);
        // A route for a type of service does not compete with the one for all packets.
        check(&[SERVICE, RECORDED[2]], &[4, 5]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_of_ipv6_count_where_ipv4_has_none() {
        let all = |routes: &[&'static str]| [&IPV6[..], routes].concat();
        check(&all(&[RECORDED[2]]), &[5]);
        check(&all(&[BLACK_HOLE, RECORDED[0]]), &[2, 3, 4]);
        check(&IPV6[2..], &[2, 3]);
        check(&IPV6[..1], &[]);
        check(&IPV6[4..], &[]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_list_of_next_hops_that_is_cut_ends() {
        // Two whole ones, one of length zero, one that is longer than what is there, and one that is cut.
        for (list, expected) in [
            ("1400090008000000030000000800000004000000", vec![3, 4]),
            ("0c0009000000000003000000", vec![3]),
            ("0c000900ff00000003000000", vec![3]),
            ("10000900080000000300000008000000", vec![3]),
        ] {
            let route = format!("02000000fe03000100000000{list}");
            let (mut socket, _) =
                kernel(move |request| vec![request.message(24, &bytes(&route)), request.end(3, 0)]);
            let found = default_route_indexes(&mut socket).unwrap();
            assert_eq!(Vec::from_iter(found), expected, "{list}");
        }
    }

    #[test]
    fn a_kernel_that_does_not_let_us_ask_is_an_error() {
        const EPERM: i32 = 1;
        let (mut socket, _) = kernel(|request| vec![request.end(2, EPERM)]);
        let refused = default_route_indexes(&mut socket);
        assert!(
            matches!(refused, Err(NetlinkError::Refused(_))),
            "{refused:?}"
        );
    }

    #[test]
    fn this_machine_answers() {
        let mut socket = NetlinkSocket::open(None).unwrap();
        let answer = default_routes(&mut socket).unwrap();
        let routes: DefaultRoutes = serde_json::from_value(answer).unwrap();
        let known = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        let mut best = LowestMetric::default();
        for line in known.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000") {
                best.add((), fields[6].parse().unwrap(), [fields[0].to_owned()]);
            }
        }
        for name in best.netdevs() {
            assert!(name == "*" || routes.netdevs.contains(&name), "{name}");
        }
    }
}
