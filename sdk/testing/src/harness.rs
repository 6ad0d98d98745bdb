//! A provider under test: called as the host calls it, with JSON through its session, over a node in a directory.

mod context;
mod findings;
mod found;

pub use found::{Excluded, FoundDevice};

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{TempTree, Tree};
use sriovdp_provider_abi::method::Method;
use sriovdp_provider_abi::{method, wire};
use sriovdp_sdk::runtime::Session;
use sriovdp_sdk::{Allocation, BaseDevice, Error, HostRoot, PciAddress, PciFunction, Provider};

/// A provider after a discovery of the node below a directory.
///
/// [`conformance!`](crate::conformance!) tries the rules that every provider has to keep to; this is for what a provider
/// finds, matches and hands out. Selectors are the provider's own keys in the schema's spelling, as a JSON object: the host has removed `null` and
/// the keys of others before a provider sees them.
///
/// ```
/// # use sriovdp_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct Fpga;
/// # #[selectors]
/// # struct Selectors { devices: Vec<HexId> }
/// # impl Provider for Fpga {
/// #     type Selectors = Selectors;
/// #     type Facts = HexId;
/// #     fn manifest(&self) -> Manifest { Manifest::device_type("fpga", "") }
/// #     fn discover(&self, node: &Node) -> Result<Discovery<HexId>, Error> {
/// #         Ok(node.functions().iter().map(|f| Device::of(f, f.device)).collect())
/// #     }
/// #     fn matches(&self, selectors: &Selectors, device: &Device<HexId>) -> Result<(), Mismatch> {
/// #         one_of("devices", &selectors.devices, Some(&device.facts))
/// #     }
/// #     fn allocate(&self, _: &Node, _: &Selectors, _: &Device<HexId>) -> Result<Allocation, Error> { Ok(Allocation::default()) }
/// # }
/// use sriovdp_sdk_testing::{Harness, json};
///
/// let mut fpga = Harness::on(Fpga, "pci 0000:17:00.{0-1} 10ee:500{0-1} class=120000 driver=xocl");
/// assert_eq!(fpga.select(json!({"devices": ["5001"]})), ["0000:17:00.1"]);
/// fpga.change("unplug 0000:17:00.1");
/// fpga.rescan()?;
/// assert_eq!(fpga.devices().len(), 1);
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
pub struct Harness<P: Provider> {
    session: Session<P>,
    root: PathBuf,
    /// The node, where it is this value's own.
    node: Option<TempTree>,
    extended: Vec<BaseDevice>,
    device_type: String,
    resource: Option<String>,
    settings: Option<Value>,
    replaced: Vec<String>,
    generation: u64,
    found: wire::Discovered,
    /// How many of the devices are kept from before the last discovery; they come first.
    kept: usize,
}

impl<P: Provider> Harness<P> {
    /// Lets `provider`, the owner of a device type, discover the node below `root`.
    ///
    /// # Panics
    ///
    /// When the discovery fails; see [`rescan`](Self::rescan) for one that may.
    #[track_caller]
    pub fn new(provider: P, root: &Path) -> Self {
        Self::extending(provider, root, Vec::new())
    }

    /// Lets `provider` discover a node of its own, which `tree` describes in the language of [`Tree`].
    ///
    /// # Panics
    ///
    /// When a line of the text means nothing, or the discovery fails.
    #[track_caller]
    pub fn on(provider: P, tree: &str) -> Self {
        let node = Tree::parse(tree)
            .unwrap_or_else(|error| panic!("{error}"))
            .temp();
        let mut harness = Self::new(provider, node.path());
        harness.node = Some(node);
        harness
    }

    /// Lets `provider`, an extension, discover a node of its own, on which every PCI function is a device of the type
    /// `device_type`.
    ///
    /// # Panics
    ///
    /// When a line of the text means nothing, or the discovery fails.
    #[track_caller]
    pub fn extending_functions(provider: P, device_type: &str, tree: &str) -> Self {
        let node = Tree::parse(tree)
            .unwrap_or_else(|error| panic!("{error}"))
            .temp();
        let functions = expect(functions_below(node.path())).into_iter();
        let base = |f: PciFunction| BaseDevice::new(device_type, f.address.into(), f.address);
        let devices = functions.map(base);
        let mut harness = Self::extending(provider, node.path(), devices.collect());
        harness.node = Some(node);
        harness
    }

    /// Changes the node by further lines of its language; [`rescan`](Self::rescan) discovers it again.
    ///
    /// # Panics
    ///
    /// When a line means nothing.
    #[track_caller]
    pub fn change(&self, lines: &str) {
        Tree::apply(&self.root, lines)
            .unwrap_or_else(|error| panic!("cannot change the node: {error}"));
    }

    /// Lets `provider`, an extension, discover its facts about `devices`, which are of one device type.
    ///
    /// # Panics
    ///
    /// When the discovery fails.
    #[track_caller]
    pub fn extending(provider: P, root: &Path, devices: Vec<BaseDevice>) -> Self {
        let session = Session::new(provider, ("under-test", "0.0.0"));
        let manifest = expect(call::<P, method::Manifest>(&session, &Map::new()));
        let of_devices = devices.first().map(|device| device.device_type.clone());
        let mut harness = Self {
            session,
            root: root.to_owned(),
            node: None,
            device_type: of_devices.or(manifest.device_type).unwrap_or_default(),
            extended: devices,
            resource: None,
            settings: None,
            replaced: Vec::new(),
            generation: 0,
            found: wire::Discovered::default(),
            kept: 0,
        };
        expect(harness.rescan());
        harness
    }

    /// Discovers again, after the node has changed.
    ///
    /// # Errors
    ///
    /// The provider's own; the last discovery then stays.
    pub fn rescan(&mut self) -> Result<(), Error> {
        self.found = self.discover(None)?;
        self.kept = 0;
        self.generation += 1;
        Ok(())
    }

    /// Discovers again what is on `functions`, by their addresses, as the host does after a change of these for a
    /// provider that is [incremental](sriovdp_sdk::Manifest::incremental).
    ///
    /// # Errors
    ///
    /// The provider's own; the last discovery then stays.
    ///
    /// # Panics
    ///
    /// When one of `functions` is no address.
    #[track_caller]
    pub fn rescan_only(&mut self, functions: &[&str]) -> Result<(), Error> {
        let part: BTreeSet<PciAddress> = functions
            .iter()
            .map(|f| expect(f.parse().map_err(Error::from)))
            .collect();
        let found = self.discover(Some(&part))?;
        self.generation += 1;
        let is_kept = |device: &wire::Device| {
            let on = device.function.or_else(|| device.id.as_str().parse().ok());
            on.is_none_or(|function| !part.contains(&function))
        };
        self.found.devices.retain(is_kept);
        self.kept = self.found.devices.len();
        self.found.devices.extend(found.devices);
        self.found.excluded = found.excluded;
        Ok(())
    }

    #[track_caller]
    fn explain(&self, selectors: Value, id: &str) -> wire::Explained {
        let request = wire::ExplainRequest {
            generation: self.generation,
            selectors,
            id: id.to_owned(),
        };
        expect(call::<P, method::Explain>(&self.session, &request))
    }

    fn discover(&self, part: Option<&BTreeSet<PciAddress>>) -> Result<wire::Discovered, Error> {
        let is_asked = |address: PciAddress| part.is_none_or(|part| part.contains(&address));
        let mut functions = functions_below(&self.root)?;
        functions.retain(|function| is_asked(function.address));
        let devices = self.extended.iter();
        let on_function = devices.clone().filter_map(|d| Some((d, d.function?)));
        let devices = devices.filter(|d| d.function.is_none() && part.is_none());
        let request = wire::DiscoverRequest {
            root: self.root.to_string_lossy().into_owned(),
            generation: self.generation + 1,
            functions: functions.iter().map(Into::into).collect(),
            part: part.map(|part| wire::Part {
                since: self.generation,
                functions: part.iter().copied().collect(),
            }),
            devices: on_function
                .filter(|(_, function)| is_asked(*function))
                .map(|(d, at)| wire::ExtendedDevice::new(&d.device_type, d.id.as_str(), at))
                .collect(),
            non_pci: devices
                .map(|d| wire::NonPciDevice::new(&d.device_type, d.id.as_str()))
                .collect(),
            settings: self.settings.clone(),
        };
        call::<P, method::Discover>(&self.session, &request)
    }

    /// The ids of the devices that fit `selectors`.
    ///
    /// # Panics
    ///
    /// When the selectors cannot be understood; see [`check`](Self::check) for those.
    #[track_caller]
    pub fn select(&self, selectors: Value) -> Vec<String> {
        // A provider selects among the devices of its last answer.
        let (kept, answered) = self.found.devices.split_at(self.kept);
        let kept = kept.iter().map(|device| device.id.to_string());
        let mut ids: Vec<String> = kept
            .filter(|id| self.why_not(selectors.clone(), id).is_none())
            .collect();
        let selected = self.selected(selectors);
        let admitted = selected.admitted.iter();
        ids.extend(admitted.map(|&position| answered[position as usize].id.to_string()));
        ids
    }

    #[track_caller]
    fn selected(&self, selectors: Value) -> wire::Selected {
        let request = wire::SelectRequest {
            generation: self.generation,
            device_type: self.device_type.clone(),
            selectors,
        };
        expect(call::<P, method::Select>(&self.session, &request))
    }

    /// Why the device `id` does not fit `selectors`, as `key: reason`, or the reason of [`kept_out`](Provider::kept_out);
    /// nothing when it does.
    ///
    /// # Panics
    ///
    /// When the selectors cannot be understood, or no such device was found.
    #[track_caller]
    pub fn why_not(&self, selectors: Value, id: &str) -> Option<String> {
        let explained = self.explain(selectors, id);
        let reason = explained.reason?;
        Some(
            explained
                .key
                .map_or_else(|| reason.clone(), |key| format!("{key}: {reason}")),
        )
    }

    /// What a container gets for each of `ids` from a resource with these `selectors`.
    ///
    /// # Errors
    ///
    /// The provider's own, for the first device that it cannot hand out.
    pub fn allocate(&self, selectors: Value, ids: &[&str]) -> Result<Vec<Allocation>, Error> {
        let allocations = self.allocated(selectors, ids)?.into_iter();
        allocations.map(TryInto::try_into).collect()
    }

    /// What a container gets for the device `id`, as the JSON that the host receives: without what is empty, and with
    /// paths as pairs of host and container.
    ///
    /// # Errors
    ///
    /// The provider's own.
    pub fn allocate_json(&self, selectors: Value, id: &str) -> Result<Value, Error> {
        let allocations = self.allocated(selectors, &[id])?;
        Ok(serde_json::to_value(allocations.first())?)
    }

    fn allocated(&self, selectors: Value, ids: &[&str]) -> Result<Vec<wire::Allocation>, Error> {
        let request = self.allocate_request(selectors, ids);
        let allocated = call::<P, method::Allocate>(&self.session, &request)?;
        Ok(allocated.devices)
    }

    fn allocate_request(&self, selectors: Value, ids: &[&str]) -> wire::AllocateRequest {
        wire::AllocateRequest {
            device_type: self.device_type.clone(),
            selectors,
            ids: ids.iter().map(|&id| id.to_owned()).collect(),
            resource: self.resource.clone(),
            settings: self.settings.clone(),
            replaced: self.replaced.clone(),
        }
    }
}

impl<P: Provider> fmt::Debug for Harness<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

fn call<P: Provider, M: Method>(
    session: &Session<P>,
    request: &M::Request,
) -> Result<M::Response, Error> {
    let output = session.call(M::NAME, &serde_json::to_string(request)?)?;
    Ok(serde_json::from_str(&output)?)
}

fn functions_below(root: &Path) -> Result<Vec<PciFunction>, Error> {
    Ok(sriovdp_pci_scan::scan(&HostRoot::new(root), &[])?.functions)
}

#[track_caller]
fn expect<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| {
        let causes: String = error.causes().map(|cause| format!(": {cause}")).collect();
        panic!("{error}{causes}")
    })
}
