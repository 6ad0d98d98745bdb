//! Which DDP package is loaded for each network function, by devlink or else by the tool.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use sriovdp_sdk::{HexId, Node, PciAddress, PciFunction, log};

use crate::ddptool::{Ddptool, ToolError};

const INTEL: HexId = HexId(0x8086);
/// The version that devlink has of a loaded package (Linux: `Documentation/networking/devlink/ice.rst`).
const PACKAGE_NAME: &str = "fw.app.name";

/// Functions with the names of their packages.
pub(crate) type Profiles = HashMap<PciAddress, String>;

/// The package of a function in an earlier scan.
pub(crate) type Before<'a> = dyn Fn(PciAddress) -> Option<String> + 'a;

/// The packages of all devices that this extension extends.
pub(crate) fn of_devices(node: &Node, tool: &Ddptool, before: &Before<'_>) -> Profiles {
    let extended = node
        .devices()
        .iter()
        .filter_map(|device| node.function(device.function?));
    let functions: Vec<&PciFunction> = extended
        .filter(|function| function.vendor == INTEL)
        .collect();
    let mut devlink = Devlink::new(node);
    let mut profiles = Profiles::new();
    let mut others = Vec::new();
    for function in functions {
        // The package is in the card, and the driver of a VF does not report it.
        let places = [Some(function.address), function.physical_function];
        match places
            .into_iter()
            .flatten()
            .find_map(|address| devlink.package(address))
        {
            Some(package) => drop(profiles.insert(function.address, package)),
            None => others.push(function.address),
        }
    }
    if tool.works_below(node.root()) {
        // Functions without a known package come first, for the case that there is no time for all.
        others.sort_by_key(|&address| before(address).is_some());
        run_tool(tool, &others, before, &mut profiles);
    }
    profiles
}

/// Runs the tool for each of `functions` until its timeout. The rest keeps the packages of `before`.
fn run_tool(
    tool: &Ddptool,
    functions: &[PciAddress],
    before: &Before<'_>,
    profiles: &mut Profiles,
) {
    let end = Instant::now() + tool.timeouts.scan;
    let mut left = functions;
    while let [address, rest @ ..] = left {
        let time = end
            .saturating_duration_since(Instant::now())
            .min(tool.timeouts.run);
        if time.is_zero() {
            break;
        }
        left = rest;
        let profile = match tool.profile(*address, time) {
            Ok(profile) => profile,
            Err(ToolError::NotInstalled) => return,
            Err(error @ ToolError::Start(_)) => {
                log::warn!("DDP profiles stay unknown where devlink has none: {error}");
                return;
            }
            Err(error @ ToolError::Late) => {
                log::warn!("the DDP profile of `{address}` stays what it was: {error}");
                before(*address)
            }
        };
        profiles.extend(profile.map(|profile| (*address, profile)));
    }
    profiles.extend(
        left.iter()
            .filter_map(|address| Some((*address, before(*address)?))),
    );
}

/// devlink, queried once about each function.
struct Devlink<'a> {
    node: &'a Node,
    devices: BTreeSet<String>,
    packages: HashMap<PciAddress, Option<String>>,
}

impl<'a> Devlink<'a> {
    fn new(node: &'a Node) -> Self {
        Self {
            node,
            devices: node.devlink_devices(),
            packages: HashMap::new(),
        }
    }

    fn package(&mut self, address: PciAddress) -> Option<String> {
        let (node, devices) = (self.node, &self.devices);
        let package = self.packages.entry(address).or_insert_with(|| {
            let name = address.to_string();
            let known = devices.contains(&format!("pci/{name}"));
            known
                .then(|| node.devlink("pci", &name).info().remove(PACKAGE_NAME))
                .flatten()
        });
        package.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ddptool::Timeouts;

    #[test]
    fn without_time_a_profile_stays_what_it_was() {
        let [known, unknown]: [PciAddress; 2] =
            ["0000:03:02.0", "0000:03:02.1"].map(|a| a.parse().unwrap());
        let before = Profiles::from([(known, "old".to_owned())]);
        let after = |run: u64, scan: u64, functions: &[PciAddress]| {
            let tool = Ddptool {
                program: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ddptool").into(),
                everywhere: true,
                timeouts: Timeouts {
                    run: Duration::from_millis(run),
                    scan: Duration::from_millis(scan),
                },
            };
            let mut profiles = Profiles::new();
            let known = |address: PciAddress| before.get(&address).cloned();
            run_tool(&tool, functions, &known, &mut profiles);
            profiles
        };
        assert_eq!(after(60_000, 0, &[unknown, known]), before);
        assert_ne!(after(60_000, 60_000, &[known])[&known], "old");
        // The tool sleeps at this address, so it is late.
        let asleep: PciAddress = "0000:03:02.4".parse().unwrap();
        let before_of_one = after(1, 1, &[asleep, known]);
        assert_eq!(before_of_one, before);
    }
}
