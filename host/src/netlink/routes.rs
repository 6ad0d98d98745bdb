//! Where IPv4 default routes lead to, asked of the kernel's routing tables (Linux: `Documentation/netlink/specs/rt-route.yaml`).

use std::collections::BTreeSet;

use netlink_bindings::rt_route::{IterableRouteAttrs, Request, Rtmsg};
use rustix::net::netdevice::index_to_name;
use serde_json::Value;
use sriovdp_sdk::abi::wire::DefaultRoutes;

use super::NetlinkError;
use super::socket::NetlinkSocket;

const AF_INET: u8 = 2;
/// The table that a node has its default route in, `RT_TABLE_MAIN`.
const MAIN: u8 = 254;
/// A route that leads somewhere, `RTN_UNICAST`.
const UNICAST: u8 = 1;
/// Length of a next hop's head, `struct rtnexthop`: its whole length in two bytes, flags, weight, and four bytes of
/// interface index (Linux: `include/uapi/linux/rtnetlink.h`).
const NEXT_HOP: usize = 8;

/// The interfaces of all next hops of default routes, as JSON.
///
/// Only IPv4 is asked for: `/proc/net/ipv6_route` has a line for each next hop.
///
/// # Errors
///
/// See [`NetlinkSocket::ask`].
pub(super) fn default_routes(socket: &mut NetlinkSocket) -> Result<Value, NetlinkError> {
    let mut netdevs = BTreeSet::new();
    for index in default_route_indexes(socket)? {
        // An interface that went away in between carries nothing any more.
        netdevs.extend(index_to_name(socket.descriptor(), index));
    }
    let routes = DefaultRoutes {
        netdevs: netdevs.into_iter().collect(),
    };
    Ok(serde_json::to_value(routes).unwrap_or_default())
}

/// The same as interface indexes.
pub(super) fn default_route_indexes(
    socket: &mut NetlinkSocket,
) -> Result<BTreeSet<u32>, NetlinkError> {
    let mut indexes = BTreeSet::new();
    let mut of = Rtmsg::new();
    of.rtm_family = AF_INET;
    let request = Request::new().op_getroute_dump(&of);
    socket.ask(&request, |(route, attributes)| {
        if is_default(&route) {
            indexes.extend(next_hops(&attributes));
        }
    })?;
    Ok(indexes)
}

fn is_default(route: &Rtmsg) -> bool {
    route.rtm_family == AF_INET
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
    use crate::netlink::tests::kernel;

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

    /// What is made of some of the recorded routes; this end sends little-endian numbers, as the recording has them.
    fn indexes(routes: &'static [&str]) -> Result<BTreeSet<u32>, NetlinkError> {
        let (mut socket, _) = kernel(move |request| {
            let all = routes
                .iter()
                .map(|route| request.message(24, &bytes(route)));
            assert_eq!((request.kind, request.flags & 0x300), (26, 0x300));
            vec![all.collect::<Vec<_>>().concat(), request.end(3, 0)]
        });
        default_route_indexes(&mut socket)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(pair).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn every_next_hop_of_the_main_table_counts() {
        assert_eq!(Vec::from_iter(indexes(&RECORDED).unwrap()), [3, 4, 5]);
        assert_eq!(Vec::from_iter(indexes(&RECORDED[1..2]).unwrap()), [3, 4]);
        assert_eq!(Vec::from_iter(indexes(&RECORDED[2..]).unwrap()), [5]);
        assert!(indexes(&RECORDED[..1]).unwrap().is_empty(), "table 100");
        assert!(indexes(&RECORDED[3..]).unwrap().is_empty());
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
        let first_hops = known.lines().filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000")
        });
        for line in first_hops {
            let name = line.split_whitespace().next().unwrap();
            assert!(name == "*" || routes.netdevs.iter().any(|netdev| netdev == name));
        }
    }
}
