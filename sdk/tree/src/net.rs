//! Netdevs: what `net=` of a device and the word `net` make.

use super::arguments::Arguments;
use super::error::Problem;
use super::state::State;

/// A netdev of no device, such as a bridge.
pub(super) fn virtual_netdev(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    let directory = format!("/sys/devices/virtual/net/{}", arguments.name());
    netdev(tree, arguments, &directory, arguments.is_set("up"))
}

/// The netdevs that `net=` names, below the device at `path`.
pub(super) fn netdevs(tree: &mut State, arguments: &Arguments, path: &str) -> Result<(), Problem> {
    // An unused VF is down; a PF has its link.
    let is_up = arguments.key("pf").is_none();
    let device = path.rsplit('/').next().unwrap_or(path);
    for name in arguments.list("net") {
        let directory = format!("{path}/net/{name}");
        netdev(tree, arguments, &directory, is_up)?;
        tree.entries
            .link(format!("{directory}/device"), format!("../../../{device}"));
        for (attribute, key) in [("phys_switch_id", "switch"), ("phys_port_name", "port")] {
            if let Some(value) = arguments.key(key) {
                tree.entries
                    .attribute(format!("{directory}/{attribute}"), value);
            }
        }
    }
    Ok(())
}

/// What a netdev shows when it is up and has its link, or when it is not up. `carrier` cannot be read then.
pub(super) fn bring(tree: &mut State, directory: &str, up: bool) {
    let (operstate, flags) = if up {
        ("up", "0x1003")
    } else {
        ("down", "0x1002")
    };
    tree.entries
        .attribute(format!("{directory}/operstate"), operstate);
    tree.entries.attribute(format!("{directory}/flags"), flags);
    if up {
        tree.entries.attribute(format!("{directory}/carrier"), "1");
    }
}

fn netdev(
    tree: &mut State,
    arguments: &Arguments,
    directory: &str,
    up: bool,
) -> Result<(), Problem> {
    let name = directory.rsplit('/').next().unwrap_or(directory);
    let listed = format!("/sys/class/net/{name}");
    if tree.entries.exists(&listed) {
        return Err(Problem::Twice {
            name: name.to_owned(),
        });
    }
    let (hardware_type, address_length) = match arguments.key("link").unwrap_or("ether") {
        "ether" => ("1", 6),
        "infiniband" => ("32", 20),
        "none" => ("65534", 0),
        "loopback" => ("772", 6),
        link => {
            return Err(Problem::Value {
                value: link.to_owned(),
                kind: "link type; there are ether, infiniband, none and loopback",
            });
        }
    };
    let ifindex = next_ifindex(tree);
    tree.entries.link_to(listed, directory);
    tree.entries
        .link_to(format!("{directory}/subsystem"), "/sys/class/net");
    for (attribute, line) in [
        ("address", &*address(ifindex, address_length)),
        ("addr_len", &address_length.to_string()),
        ("dev_id", "0x0"),
        ("dev_port", "0"),
        ("ifindex", &ifindex.to_string()),
        ("mtu", "1500"),
        ("type", hardware_type),
    ] {
        tree.entries
            .attribute(format!("{directory}/{attribute}"), line);
    }
    bring(tree, directory, up);
    Ok(())
}

/// A locally administered address that no other netdev of the node has.
fn address(ifindex: u32, length: usize) -> String {
    let [a, b, c, d] = ifindex.to_be_bytes();
    let low = [2, 0, a, b, c, d];
    let bytes = std::iter::repeat_n(0, length.saturating_sub(low.len()))
        .chain(low)
        .take(length);
    bytes
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(":")
}

/// 1 is the loopback device's on every node, described or not.
fn next_ifindex(tree: &mut State) -> u32 {
    let entries = &tree.entries;
    let next = tree.next_ifindex.unwrap_or_else(|| {
        let names = entries.names("/sys/class/net").into_iter();
        let texts = names.filter_map(|name| {
            entries.text(&entries.real_path(&format!("/sys/class/net/{name}/ifindex")))
        });
        texts
            .filter_map(|text| text.parse().ok())
            .max()
            .unwrap_or(1)
            + 1
    });
    tree.next_ifindex = Some(next + 1);
    next
}
