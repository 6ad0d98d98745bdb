//! `pf`, `vf` and `pci`: a PCI function, its driver, its IOMMU group and what hangs on it.

use super::arguments::{Arguments, number};
use super::error::Problem;
use super::state::State;
use super::{attached, bus, net};

/// As many VFs as a PF could have without `vfs=`.
const TOTAL_VFS: u32 = 64;

pub(super) fn pf(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    let (num, total) = match arguments.key("vfs") {
        None => (0, TOTAL_VFS),
        Some(vfs) => match vfs.split_once('/') {
            None => (number(vfs)?, TOTAL_VFS),
            Some((num, total)) => (number(num)?, number(total)?),
        },
    };
    let path = place(tree, arguments)?;
    describe(tree, arguments, &path)?;
    tree.entries
        .attribute(format!("{path}/sriov_totalvfs"), &total.to_string());
    tree.entries
        .attribute(format!("{path}/sriov_numvfs"), &num.to_string());
    if arguments.key("vfs").is_some() {
        tree.fixed_vfs.insert(path);
    }
    Ok(())
}

pub(super) fn vf(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    let address = arguments.name();
    let pf_address = arguments.required("pf")?;
    let id = number(arguments.required("id")?)?;
    let pf = tree.device(pf_address)?;
    let virtfn = format!("{pf}/virtfn{id}");
    if tree.entries.exists(&virtfn) {
        return Err(Problem::Twice {
            name: format!("virtfn{id} of {pf_address}"),
        });
    }
    // A VF is a sibling of its PF: both are behind the same bridge.
    let path = format!("{}/{address}", bus::parent(&pf));
    describe(tree, arguments, &path)?;
    if arguments.key("numa").is_none() {
        if let Some(node) = tree.entries.text(&format!("{pf}/numa_node")) {
            tree.entries.attribute(format!("{path}/numa_node"), &node);
        }
    }
    tree.entries
        .link(format!("{path}/physfn"), format!("../{pf_address}"));
    tree.entries.link(virtfn, format!("../{address}"));
    if !tree.fixed_vfs.contains(&pf) {
        count(tree, &pf, 1);
    }
    Ok(())
}

pub(super) fn function(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    let path = place(tree, arguments)?;
    describe(tree, arguments, &path)
}

/// Changes the number of VFs of a PF.
pub(super) fn count(tree: &mut State, pf: &str, change: i64) {
    let path = format!("{pf}/sriov_numvfs");
    let before: i64 = tree
        .entries
        .text(&path)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    tree.entries
        .attribute(path, &(before + change).max(0).to_string());
}

/// Where a function goes that is no VF: on its root bus, or behind a bridge that need not be described.
fn place(tree: &State, arguments: &Arguments) -> Result<String, Problem> {
    let address = arguments.name();
    let root = address.rsplit_once(':').map_or(address, |(bus, _)| bus);
    Ok(match arguments.key("in") {
        None => format!("/sys/devices/pci{root}/{address}"),
        Some(bridge) => match tree.entries.device(bridge) {
            Some(bridge) => format!("{bridge}/{address}"),
            None => format!("/sys/devices/pci{root}/{bridge}/{address}"),
        },
    })
}

/// What every function shows.
fn describe(tree: &mut State, arguments: &Arguments, path: &str) -> Result<(), Problem> {
    let address = pci_address(arguments.name())?;
    let ids = digits(
        arguments.second().unwrap_or_default(),
        "xxxx:xxxx",
        "pair of ids such as 8086:10ca",
    )?;
    let class = digits(
        arguments.key("class").unwrap_or("020000"),
        "xxxxxx",
        "class such as 020000",
    )?;
    let (vendor, device) = ids.split_at(4);
    let device = &device[1..];
    bus::join_bus(tree, "pci", path)?;

    let (big_vendor, big_device) = (vendor.to_uppercase(), device.to_uppercase());
    let [base, sub, interface] = [&class[..2], &class[2..4], &class[4..]].map(str::to_uppercase);
    let modalias = arguments.key("modalias").map_or_else(
        || format!("pci:v0000{big_vendor}d0000{big_device}sv0000{big_vendor}sd00000000bc{base}sc{sub}i{interface}"),
        str::to_owned,
    );
    let driver = arguments.key("driver");
    let driver_line = driver.map_or_else(String::new, |driver| format!("DRIVER={driver}\n"));
    // Leading zeros go, but four digits stay.
    let kept_zeros = class.len() - class.trim_start_matches('0').len();
    let short_class = class[kept_zeros.min(2)..].to_uppercase();
    let uevent = format!(
        "{driver_line}PCI_CLASS={short_class}\nPCI_ID={big_vendor}:{big_device}\nPCI_SUBSYS_ID={big_vendor}:0000\n\
         PCI_SLOT_NAME={address}\nMODALIAS={modalias}"
    );
    for (name, line) in [
        ("vendor", format!("0x{vendor}")),
        ("device", format!("0x{device}")),
        ("class", format!("0x{class}")),
        ("subsystem_vendor", format!("0x{vendor}")),
        ("subsystem_device", "0x0000".to_owned()),
        ("revision", "0x01".to_owned()),
        ("modalias", modalias),
        ("uevent", uevent),
    ] {
        tree.entries.attribute(format!("{path}/{name}"), &line);
    }
    match arguments.key("numa") {
        Some("-") => {}
        node => tree
            .entries
            .attribute(format!("{path}/numa_node"), node.unwrap_or("0")),
    }
    if let Some(index) = arguments.key("acpi") {
        tree.entries.attribute(format!("{path}/acpi_index"), index);
    }
    if let Some(driver) = driver {
        bus::bind(tree, "pci", path, driver);
    }
    join_group(tree, arguments, path)?;
    attach(tree, arguments, path)
}

/// The IOMMU group, and the device node that vfio makes of it.
fn join_group(tree: &mut State, arguments: &Arguments, path: &str) -> Result<(), Problem> {
    let Some(number) = arguments.number("group")? else {
        return Ok(());
    };
    let group = format!("/sys/kernel/iommu_groups/{number}");
    tree.entries.link_to(format!("{path}/iommu_group"), &group);
    tree.entries
        .link_to(format!("{group}/devices/{}", arguments.name()), path);
    let noiommu = arguments.is_set("noiommu");
    match noiommu {
        true => tree
            .entries
            .attribute(format!("{group}/name"), "vfio-noiommu"),
        false => tree.entries.attribute(format!("{group}/type"), "DMA-FQ"),
    }
    if arguments.key("driver") == Some("vfio-pci") {
        let prefix = if noiommu { "noiommu-" } else { "" };
        tree.entries.file("/dev/vfio/vfio".to_owned(), Vec::new());
        tree.entries
            .file(format!("/dev/vfio/{prefix}{number}"), Vec::new());
    }
    Ok(())
}

/// What the function's driver made of it: UIO, virtio, netdevs, RDMA devices.
fn attach(tree: &mut State, arguments: &Arguments, path: &str) -> Result<(), Problem> {
    if let Some(number) = arguments.number("uio")? {
        let name = format!("uio{number}");
        let directory = format!("{path}/uio/{name}");
        tree.entries.attribute(
            format!("{directory}/name"),
            arguments.key("driver").unwrap_or("uio"),
        );
        tree.entries
            .link_to(format!("/sys/class/uio/{name}"), &directory);
        tree.entries.file(format!("/dev/{name}"), Vec::new());
    }
    let netdevs_on = match arguments.number("virtio")? {
        Some(number) => attached::virtio(tree, path, number)?,
        None => path.to_owned(),
    };
    net::netdevs(tree, arguments, &netdevs_on)?;
    attached::rdma_devices(tree, arguments, path);
    Ok(())
}

/// Domains have four digits, or more where firmware made them up, as for disks behind Intel VMD.
fn pci_address(text: &str) -> Result<&str, Problem> {
    let kind = "PCI address such as 0000:41:10.0";
    let digits_more = text.find(':').map_or(0, |length| length.saturating_sub(4));
    let (more, usual) = text.split_at(digits_more);
    let is_usual = digits(usual, "xxxx:xx:xx.x", kind).is_ok();
    let is_address = is_usual && more.chars().all(|digit| digit.is_ascii_hexdigit());
    is_address.then_some(text).ok_or_else(|| Problem::Value {
        value: text.to_owned(),
        kind,
    })
}

/// `text` if it has the form of `pattern`, in which an `x` is a hexadecimal digit.
fn digits<'a>(text: &'a str, pattern: &str, kind: &'static str) -> Result<&'a str, Problem> {
    let fits = |(character, expected): (char, char)| match expected {
        'x' => character.is_ascii_hexdigit(),
        expected => character == expected,
    };
    let matches = text.len() == pattern.len() && text.chars().zip(pattern.chars()).all(fits);
    matches.then_some(text).ok_or_else(|| Problem::Value {
        value: text.to_owned(),
        kind,
    })
}
