//! `route`: lines of `/proc/net/route` and `/proc/net/ipv6_route`, in the kernel's format.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::arguments::Arguments;
use super::error::Problem;
use super::net;
use super::route_table::padded;
use super::state::State;

const V4: &str = "/proc/net/route";
const V6: &str = "/proc/net/ipv6_route";

/// Route flags of `linux/route.h`: usable, through a gateway, to a single host.
const UP: u32 = 1;
const GATEWAY: u32 = 2;
const HOST: u32 = 4;

pub(super) fn route(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    let netdev = arguments.name();
    let directory = tree
        .entries
        .follow(&format!("/sys/class/net/{netdev}"))
        .ok_or_else(|| Problem::NoDevice {
            name: netdev.to_owned(),
        })?;
    let (destination, prefix) = match arguments.second().unwrap_or("default") {
        "default" => (IpAddr::from(Ipv4Addr::UNSPECIFIED), 0),
        "default6" => (IpAddr::from(Ipv6Addr::UNSPECIFIED), 0),
        network => network_of(network)?,
    };
    let via = arguments.key("via").map(address).transpose()?;
    let metric = arguments.number("metric")?;
    let v4 = |to, via| (V4, v4_line(netdev, to, prefix, via, metric.unwrap_or(0)));
    // A route of IPv6 that was added without a metric has this one.
    let v6 = |to, via| (V6, v6_line(netdev, to, prefix, via, metric.unwrap_or(1024)));
    let (path, line) = match (destination, via) {
        (IpAddr::V4(to), None) => v4(to, None),
        (IpAddr::V4(to), Some(IpAddr::V4(via))) => v4(to, Some(via)),
        (IpAddr::V6(to), None) => v6(to, None),
        (IpAddr::V6(to), Some(IpAddr::V6(via))) => v6(to, Some(via)),
        (_, Some(via)) => {
            return Err(Problem::Value {
                value: via.to_string(),
                kind: "gateway of the route's own address family",
            });
        }
    };
    let mut table = tree.entries.contents(path).unwrap_or_default();
    table.extend(line.into_bytes());
    tree.entries.file(path.to_owned(), table);
    net::bring(tree, &directory, true);
    Ok(())
}

/// Addresses are printed as the numbers that their four bytes are in memory, so on common machines back to front.
fn v4_line(netdev: &str, to: Ipv4Addr, prefix: u32, via: Option<Ipv4Addr>, metric: u32) -> String {
    let word = |address: Ipv4Addr| u32::from_le_bytes(address.octets());
    let mask = Ipv4Addr::from(u32::MAX.checked_shl(32 - prefix).unwrap_or(0));
    let flags = UP | via.map_or(0, |_| GATEWAY) | if prefix == 32 { HOST } else { 0 };
    let gateway = word(via.unwrap_or(Ipv4Addr::UNSPECIFIED));
    padded(&format!(
        "{netdev}\t{:08X}\t{gateway:08X}\t{flags:04X}\t0\t0\t{metric}\t{:08X}\t0\t0\t0",
        word(to),
        word(mask)
    ))
}

fn v6_line(netdev: &str, to: Ipv6Addr, prefix: u32, via: Option<Ipv6Addr>, metric: u32) -> String {
    let hex = |address: Ipv6Addr| format!("{:032x}", u128::from(address));
    let none = hex(Ipv6Addr::UNSPECIFIED);
    let flags = UP | via.map_or(0, |_| GATEWAY) | if prefix == 128 { HOST } else { 0 };
    format!(
        "{} {prefix:02x} {none} 00 {} {metric:08x} {:08x} {:08x} {flags:08x} {netdev:>8}\n",
        hex(to),
        hex(via.unwrap_or(Ipv6Addr::UNSPECIFIED)),
        1,
        0,
    )
}

fn network_of(text: &str) -> Result<(IpAddr, u32), Problem> {
    let wrong = || Problem::Value {
        value: text.to_owned(),
        kind: "destination such as default, default6 or 192.0.2.0/24",
    };
    let (network, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let network: IpAddr = network.parse().map_err(|_| wrong())?;
    let prefix: u32 = prefix.parse().map_err(|_| wrong())?;
    let longest = if network.is_ipv4() { 32 } else { 128 };
    if prefix > longest {
        return Err(wrong());
    }
    Ok((network, prefix))
}

fn address(text: &str) -> Result<IpAddr, Problem> {
    text.parse().map_err(|_| Problem::Value {
        value: text.to_owned(),
        kind: "address such as 192.0.2.1",
    })
}
