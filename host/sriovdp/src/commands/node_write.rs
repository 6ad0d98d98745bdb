//! `sriovdp node write`: a directory of the node that a tree file describes, so that configurations can be tried on it.

use std::path::{Path, PathBuf};

use sriovdp_sdk::{Context, Error, HostRoot, PciAddress, PciSysfs};
use sriovdp_tree::Tree;

use super::Output;
use crate::cli::Common;
use sriovdp_providers::bounded_read;

/// A description of a node takes a megabyte at most.
const MAX_SIZE: u64 = 64 << 20;
const CONFIG_FILE: &str = "etc/pcidp/config.json";
const PCI_DEVICES: &str = "/sys/bus/pci/devices";

/// The arguments of the command.
pub(super) struct NewNode<'a> {
    pub(super) file: &'a Path,
    pub(super) directory: &'a Path,
    /// The configuration of the node.
    pub(super) config: Option<&'a Path>,
}

pub(super) fn write(output: &mut Output, node: &NewNode<'_>, common: &Common) {
    match node.write() {
        Ok(()) => print(output, node, common),
        Err(error) => output.error(&error),
    }
}

impl NewNode<'_> {
    fn write(&self) -> Result<(), Error> {
        let directory = self.directory;
        let text = read(self.file)?;
        let tree = Tree::parse(&text).map_err(|error| {
            let file = self.file.display();
            Error::from_std(&error).context(format!("`{file}` does not describe a node"))
        })?;
        let config = self.config.map(read).transpose()?;
        let cannot_write = || format!("cannot write the node to `{}`", directory.display());
        std::fs::create_dir_all(directory).with_context(cannot_write)?;
        let mut entries = std::fs::read_dir(directory).with_context(cannot_write)?;
        if entries.next().is_some() {
            let message = format!("the directory `{}` is not empty", directory.display());
            return Err(Error::new(message).with_hint("name a new directory, or remove this one"));
        }
        tree.write(directory).with_context(cannot_write)?;
        let config_file = directory.join(CONFIG_FILE);
        std::fs::create_dir_all(config_file.parent().unwrap_or(directory))
            .with_context(cannot_write)?;
        if let Some(text) = config {
            std::fs::write(config_file, text).with_context(cannot_write)?;
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<String, Error> {
    let read = || {
        let (file, _) = bounded_read::open(file)?;
        let bytes = bounded_read::read(file, MAX_SIZE)?;
        String::from_utf8(bytes).map_err(std::io::Error::other)
    };
    read().with_context(|| format!("cannot read `{}`", file.display()))
}

/// Which commands to try on it.
fn print(output: &mut Output, node: &NewNode<'_>, common: &Common) {
    let directory = node.directory.display();
    let root = HostRoot::new(node.directory);
    let addresses = root.list(PCI_DEVICES);
    let is_vf = |address: &&String| {
        let address: Option<PciAddress> = address.parse().ok();
        address.is_some_and(|address| PciSysfs::at(&root, address).has("physfn"))
    };
    let device = addresses.iter().find(is_vf).or_else(|| addresses.first());
    let mut program = format!("sriovdp --root {directory}");
    let default: PathBuf = crate::cli::PROVIDER_DIR.into();
    for providers in common.provider_dir.iter().filter(|d| **d != default) {
        program += &format!(" --provider-dir {}", providers.display());
    }
    let count = sriovdp_report::count(addresses.len(), "PCI function");
    output.line(format_args!("wrote a node with {count} to {directory}"));
    match node.config {
        Some(_) => {
            output.line(format_args!("next:"));
            output.line(format_args!("    {program} check"));
        }
        None => {
            output.line(format_args!(
                "next, with one of examples/configs or another configuration in place of CONFIG:"
            ));
            output.line(format_args!("    {program} check CONFIG"));
            output.line(format_args!("    cp CONFIG {directory}/{CONFIG_FILE}"));
        }
    }
    output.line(format_args!("    {program} list -o wide"));
    if let Some(device) = device {
        output.line(format_args!("    {program} explain {device}"));
    }
}
