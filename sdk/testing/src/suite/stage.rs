//! A node that a provider is tried on: files in a directory, and what the host's scan found there.

use std::fmt;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Violation;
use crate::{TempTree, Tree};
use sriovdp_provider_abi::wire;
use sriovdp_sdk::{HostRoot, PciAddress, PciFunction};

/// A node with everything in the tree language, which every suite has.
const NODE: &str = include_str!("node.tree");
const PCI: &str = "sys/bus/pci/devices";
const AUXILIARY: &str = "sys/bus/auxiliary/devices";

/// A node, and a scan of it, which stays as it is when the node changes.
#[derive(Debug)]
pub(super) struct Stage {
    name: &'static str,
    node: TempTree,
    functions: Vec<PciFunction>,
    /// Name, and the function that it belongs to.
    auxiliary: Vec<(String, PciAddress)>,
}

impl Stage {
    /// The node of every suite, and the author's.
    pub(super) fn all(author: &str) -> Result<Vec<Self>, Violation> {
        let mut stages = vec![Self::new("the suite's own node", NODE)?];
        if !author.trim().is_empty() {
            stages.push(Self::new("the node of `conformance!`", author)?);
        }
        Ok(stages)
    }

    pub(super) fn new(name: &'static str, text: &str) -> Result<Self, Violation> {
        let node = Tree::parse(text)
            .map_err(|error| Violation::new(format!("{name}: {error}")))?
            .temp();
        let mut stage = Self {
            name,
            node,
            functions: Vec::new(),
            auxiliary: Vec::new(),
        };
        stage.scan()?;
        Ok(stage)
    }

    /// The author's node, or without one that of every suite, with `count` functions: the ones that it has, again and again
    /// under other addresses.
    pub(super) fn crowded(author: &str, count: usize) -> Result<Self, Violation> {
        let mut stage = Self::all(author)?
            .pop()
            .ok_or_else(|| Violation::new("there is no node"))?;
        let names = stage.functions.iter().map(|f| f.address.to_string());
        let names: Vec<String> = names.collect();
        if !names.is_empty() {
            let copies = (1..).flat_map(|n| names.iter().map(move |name| (n, name)));
            for (n, name) in copies.take(count.saturating_sub(names.len())) {
                let (_, rest) = name.split_once(':').unwrap_or_default();
                stage.again(PCI, name, &format!("{:04x}:{rest}", 0x1000 + n))?;
            }
        }
        let names: Vec<String> = stage
            .auxiliary
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        for (n, name) in (0..count / 16).zip(names.iter().cycle()) {
            let (kind, _) = name.rsplit_once('.').unwrap_or((name, ""));
            stage.again(AUXILIARY, name, &format!("{kind}.{}", 1000 + n))?;
        }
        stage.scan()?;
        Ok(stage)
    }

    pub(super) fn root(&self) -> &Path {
        self.node.path()
    }

    pub(super) fn functions(&self) -> &[PciFunction] {
        &self.functions
    }

    /// Makes the scan differ from the files.
    pub(super) fn change_functions(&mut self, change: impl FnMut(&mut PciFunction)) {
        self.functions.iter_mut().for_each(change);
    }

    /// How many devices a provider may discover.
    pub(super) fn size(&self) -> usize {
        self.functions.len() + self.auxiliary.len()
    }

    /// The host's request, to an owner or to an extension of one device type.
    pub(super) fn request(&self, generation: u64, extended: Option<&str>) -> wire::DiscoverRequest {
        let functions = self.functions.iter();
        let devices = functions.map(|f| (f.address.to_string(), f.address));
        let devices = devices.chain(self.auxiliary.iter().cloned());
        let extend = |device_type: &str| {
            let devices =
                devices.map(|(id, function)| wire::ExtendedDevice::new(device_type, &id, function));
            devices.collect()
        };
        wire::DiscoverRequest {
            root: self.root().to_string_lossy().into_owned(),
            generation,
            functions: self.functions.iter().map(Into::into).collect(),
            devices: extended.map(extend).unwrap_or_default(),
            ..wire::DiscoverRequest::default()
        }
    }

    pub(super) fn scan(&mut self) -> Result<(), Violation> {
        let root = self.node.path();
        let bus = sriovdp_pci_scan::scan(&HostRoot::new(root), &[])
            .map_err(|error| Violation::new(format!("{}: {error}", self.name)))?;
        self.functions = bus.functions;
        let names = list(&root.join(AUXILIARY));
        let parent = |name: String| {
            let directory = fs::canonicalize(root.join(AUXILIARY).join(&name)).ok()?;
            let above = directory.ancestors().skip(1);
            let mut addresses = above.filter_map(|path| path.file_name()?.to_str()?.parse().ok());
            Some((name, addresses.next()?))
        };
        self.auxiliary = names.into_iter().filter_map(parent).collect();
        Ok(())
    }

    /// One more name for a device on a bus.
    fn again(&self, bus: &str, name: &str, other: &str) -> Result<(), Violation> {
        let bus = self.root().join(bus);
        let linked = fs::read_link(bus.join(name)).and_then(|to| symlink(to, bus.join(other)));
        linked.map_err(|error| Violation::new(format!("cannot make a large node: {error}")))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on {}", self.name)
    }
}

/// The files, links and directories below the root, each after the directory that it is in.
pub(super) fn entries(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in list(root) {
        let path = root.join(name);
        found.push(path.clone());
        if path.is_dir() && !path.is_symlink() {
            found.extend(entries(&path));
        }
    }
    found
}

fn list(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}
