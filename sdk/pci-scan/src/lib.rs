//! The PCI bus of the node, read once per scan: whole, or what is behind some functions.

use std::collections::{BTreeSet, HashMap};
use std::panic::resume_unwind;
use std::thread;

use sriovdp_sdk::{Error, HexId, HostRoot, PciAddress, PciFunction, PciSysfs};

const DEVICES: &str = "/sys/bus/pci/devices";
/// A PF's links to its VFs are `virtfn0`, `virtfn1`, ... (Linux: `Documentation/ABI/testing/sysfs-bus-pci`).
const VF_LINK: &str = "virtfn";
/// Threads that read a large bus.
const MAX_THREADS: usize = 4;
/// The functions that are worth a thread: they take ten milliseconds.
const LEAST_SHARE: usize = 256;

/// The functions of the bus, after one scan.
#[derive(Debug)]
pub struct Bus {
    /// All of them, by address.
    pub functions: Vec<PciFunction>,
    /// Those that were read again or are gone, if not all were read.
    pub part: Option<BTreeSet<PciAddress>>,
    /// Those of which something could not be read in this scan.
    pub unread: BTreeSet<PciAddress>,
}

/// All PCI functions, given those of the scan `before`. Every attribute is read at most once.
///
/// What cannot be read now, although its function is there, is what it was before: a device that is being reset must
/// not leave its pool because of that. A function whose vendor, device or class was never known is left out, without effect on
/// others.
///
/// # Errors
///
/// When the bus cannot be listed, although it is there.
pub fn scan(root: &HostRoot, before: &[PciFunction]) -> Result<Bus, Error> {
    let addresses = root
        .try_list(DEVICES)?
        .into_iter()
        .filter_map(|name| name.parse().ok());
    let addresses: Vec<PciAddress> = addresses.collect();
    let (mut functions, mut unread) = read_all(root, &addresses, before);
    functions.sort_unstable_by_key(|function| function.address);
    number_virtual_functions(root, &mut functions, &mut unread);
    Ok(Bus {
        functions,
        part: None,
        unread,
    })
}

/// The same when only the functions `touched` have changed since the scan `before`. Those that were touched, have come or
/// gone are read again, with the virtual functions of each and its physical one. All others are as they were before.
///
/// # Errors
///
/// When the bus cannot be listed, although it is there.
pub fn rescan(
    root: &HostRoot,
    before: &[PciFunction],
    touched: &BTreeSet<PciAddress>,
) -> Result<Bus, Error> {
    let addresses: BTreeSet<PciAddress> = root
        .try_list(DEVICES)?
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let mut changed = touched.clone();
    changed.extend(addresses.iter().filter(|&&a| known(before, a).is_none()));
    let gone = before.iter().map(|function| function.address);
    changed.extend(gone.filter(|address| !addresses.contains(address)));

    let of = |function: &PciFunction| function.physical_function;
    let children = before
        .iter()
        .filter(|f| of(f).is_some_and(|pf| changed.contains(&pf)));
    let children = children.map(|function| function.address);
    // One that has another physical function than before is missing there.
    let parents = changed.iter().flat_map(|&address| {
        let now = PciSysfs::at(root, address).link_name("physfn");
        let now = now.and_then(|name| name.parse().ok());
        let before = known(before, address).and_then(of);
        now.into_iter().chain(before)
    });
    let part: BTreeSet<PciAddress> = children
        .chain(parents)
        .chain(changed.iter().copied())
        .collect();

    let read = part.iter().filter(|address| addresses.contains(address));
    let mut unread = BTreeSet::new();
    let mut functions: Vec<PciFunction> = read
        .filter_map(|&address| function(root, address, known(before, address), &mut unread))
        .collect();
    number_virtual_functions(root, &mut functions, &mut unread);
    let others = before
        .iter()
        .filter(|function| !part.contains(&function.address));
    functions.extend(others.cloned());
    functions.sort_unstable_by_key(|function| function.address);
    Ok(Bus {
        functions,
        part: Some(part),
        unread,
    })
}

fn known(functions: &[PciFunction], address: PciAddress) -> Option<&PciFunction> {
    let at = functions.binary_search_by_key(&address, |function| function.address);
    at.ok().map(|at| &functions[at])
}

/// Reads the functions and returns those that are unread as well. Threads share the work on a large bus.
fn read_all(
    root: &HostRoot,
    addresses: &[PciAddress],
    before: &[PciFunction],
) -> (Vec<PciFunction>, BTreeSet<PciAddress>) {
    let read = |addresses: &[PciAddress]| {
        let mut unread = BTreeSet::new();
        let functions: Vec<PciFunction> = addresses
            .iter()
            .filter_map(|&address| function(root, address, known(before, address), &mut unread))
            .collect();
        (functions, unread)
    };
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS));
    let share = addresses.len().div_ceil(threads).max(LEAST_SHARE);
    let (own, others) = addresses.split_at(share.min(addresses.len()));
    thread::scope(|scope| {
        let others = others.chunks(share).map(|share| {
            let thread = thread::Builder::new().spawn_scoped(scope, move || read(share));
            (share, thread)
        });
        let others: Vec<_> = others.collect();
        let (mut functions, mut unread) = read(own);
        for (share, thread) in others {
            // Without a thread, this one does its work.
            let result = thread.map_or_else(
                |_| read(share),
                |thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            );
            functions.extend(result.0);
            unread.extend(result.1);
        }
        (functions, unread)
    })
}

/// Reads one function, and notes it in `unread` when it is there and an attribute of it cannot be read.
fn function(
    root: &HostRoot,
    address: PciAddress,
    before: Option<&PciFunction>,
    unread: &mut BTreeSet<PciAddress>,
) -> Option<PciFunction> {
    let mut is_whole = true;
    let function = read(root, address, before, &mut is_whole);
    if !is_whole && PciSysfs::at(root, address).exists() {
        unread.insert(address);
    }
    function
}

fn read(
    root: &HostRoot,
    address: PciAddress,
    before: Option<&PciFunction>,
    is_whole: &mut bool,
) -> Option<PciFunction> {
    let dir = PciSysfs::at(root, address);
    let mut now = |name| {
        let text = dir.attribute(name);
        *is_whole &= text.is_some();
        text
    };
    let vendor = now("vendor").and_then(|text| text.parse().ok());
    let device = now("device").and_then(|text| text.parse().ok());
    let class_code = now("class").and_then(|text| class(&text));
    let numa_node = dir.attribute("numa_node");
    let physfn = dir.try_link_name("physfn");
    // Without the link no driver is bound; a link that cannot be read changes nothing.
    let driver = dir.try_link_name("driver");
    *is_whole &= physfn.is_ok() && driver.is_ok();
    // Kernels without NUMA lack the attribute.
    *is_whole &= numa_node.is_some() || !dir.has("numa_node");
    let before = || before.filter(|_| dir.exists());
    let physical_function = match physfn {
        Ok(name) => name.and_then(|name| name.parse().ok()),
        Err(_) => before().and_then(|function| function.physical_function),
    };
    let vendor: HexId = vendor.or_else(|| Some(before()?.vendor))?;
    let device: HexId = device.or_else(|| Some(before()?.device))?;
    let class = class_code.or_else(|| Some(before()?.class))?;
    let mut function = PciFunction::new(address, vendor, device, class);
    function.driver = match driver {
        Ok(name) => name,
        Err(_) => before().and_then(|function| function.driver.clone()),
    };
    let same_parent = before().filter(|known| known.physical_function == physical_function);
    function.vf_index = same_parent.and_then(|known| known.vf_index);
    function.numa_node = match numa_node {
        // It is -1 on a machine without NUMA.
        Some(text) => text.parse().ok(),
        None => before().and_then(|function| function.numa_node),
    };
    function.physical_function = physical_function;
    Some(function)
}

fn class(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The index of a VF is the number in the name of its PF's link to it, also where numbers are missing.
///
/// How many VFs a PF has are its links, too. The attribute `sriov_numvfs` is not read: the kernel lets its readers wait
/// while another process writes it, so until the last VF has come or gone, which takes seconds.
fn number_virtual_functions(
    root: &HostRoot,
    functions: &mut [PciFunction],
    unread: &mut BTreeSet<PciAddress>,
) {
    let mut known: HashMap<PciAddress, VirtualFunctions> = HashMap::new();
    for function in functions {
        let pf = match function.physical_function {
            Some(pf) => pf,
            None if may_have_virtual_functions(root, function.address) => function.address,
            None => continue,
        };
        let of_pf = known
            .entry(pf)
            .or_insert_with(|| VirtualFunctions::of(root, pf));
        match function.physical_function {
            Some(_) => {
                let index = of_pf.indexes.get(&function.address).copied();
                if index.is_none() {
                    unread.insert(function.address);
                }
                function.vf_index = index.or(function.vf_index);
            }
            None => function.vf_count = of_pf.count,
        }
    }
}

/// Only physical functions have the attribute, so all others save the list of their directory.
fn may_have_virtual_functions(root: &HostRoot, address: PciAddress) -> bool {
    root.exists(&format!("{DEVICES}/{address}/sriov_numvfs"))
}

/// The links of a physical function to its virtual ones.
struct VirtualFunctions {
    count: u32,
    indexes: HashMap<PciAddress, u32>,
}

impl VirtualFunctions {
    fn of(root: &HostRoot, pf: PciAddress) -> Self {
        let dir = PciSysfs::at(root, pf);
        let mut functions = Self {
            count: 0,
            indexes: HashMap::new(),
        };
        for link in dir.list("") {
            let number = link.strip_prefix(VF_LINK);
            let Some(index) = number.and_then(|number| number.parse::<u32>().ok()) else {
                continue;
            };
            functions.count += 1;
            let leads_to = dir.link_name(&link).and_then(|name| name.parse().ok());
            functions.indexes.extend(leads_to.map(|vf| (vf, index)));
        }
        functions
    }
}

#[cfg(test)]
mod tests;
