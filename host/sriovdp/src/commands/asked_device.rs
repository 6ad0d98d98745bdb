//! The devices that `sriovdp explain` means: by id, by PCI address, or by the name of a network interface.

use std::ffi::OsStr;

use sriovdp_sdk::{Error, PciAddress};

use sriovdp_agent::reconcile::{Outcome, Reconciler};

/// Leads from each network interface to its directory, which is below that of its device.
const INTERFACES: &str = "/sys/class/net";

/// The ids of the devices, offered or not, that `text` names.
///
/// # Errors
///
/// When there is none, with what is there instead.
pub(super) fn ids(state: &Reconciler, look: &Outcome, text: &str) -> Result<Vec<String>, Error> {
    let found = match text.parse() {
        Ok(address) => at_address(state, address),
        Err(_) => by_id(state, text),
    };
    if !found.is_empty() {
        return Ok(found);
    }
    let (name, address) = match (text.parse(), interface(state, text)) {
        (Ok(address), _) => (format!("`{text}`"), address),
        (Err(_), Some(path)) => {
            let name = format!("the network interface `{text}`");
            // The device next to the interface counts, such as the one of a bus behind a PCI function.
            let mut parts = path.iter().rev().filter_map(OsStr::to_str);
            let device = parts.clone().map(|part| by_id(state, part));
            if let Some(found) = device.into_iter().find(|found| !found.is_empty()) {
                return Ok(found);
            }
            match parts.find_map(|part| part.parse().ok()) {
                Some(address) => (name, address),
                None => return Err(Error::new(format!("{name} belongs to no PCI function"))),
            }
        }
        (Err(_), None) => {
            return Err(unknown(&format!(
                "no provider knows a device `{text}`, and the node has no network interface of that name"
            )));
        }
    };
    let found = at_address(state, address);
    if !found.is_empty() {
        return Ok(found);
    }
    let mut functions = state.functions().iter();
    Err(match functions.find(|f| f.address == address) {
        Some(_) if !look.failures.is_empty() => {
            Error::new(format!("whether {name} is a device is not known"))
        }
        Some(function) => Error::new(format!(
            "{name} is the PCI function {address} of class {:06x} ({}:{}), and no loaded provider offers such",
            function.class, function.vendor, function.device
        ))
        .with_hint("`sriovdp providers` says what is loaded"),
        None => unknown(&format!(
            "no provider knows a device {name}, and the node has no PCI function {address}"
        )),
    })
}

fn unknown(message: &str) -> Error {
    Error::new(message.to_owned()).with_hint(
        "an interface that a pod has is not seen from here, but its device is; `sriovdp explain` alone tells of every \
         device",
    )
}

fn by_id(state: &Reconciler, id: &str) -> Vec<String> {
    let found = state.scan().device_types().flat_map(|(_, found)| {
        let devices = found.devices.iter().map(|device| device.id.as_str());
        devices.chain(found.excluded.iter().map(|excluded| excluded.name.as_str()))
    });
    let same = found.filter(|known| known.eq_ignore_ascii_case(id));
    same.map(str::to_owned).collect()
}

/// What has the address as its id, or else all that is on the function.
fn at_address(state: &Reconciler, address: PciAddress) -> Vec<String> {
    let found = by_id(state, &address.to_string());
    if !found.is_empty() {
        return found;
    }
    let devices = state.scan().device_types();
    let devices = devices.flat_map(|(_, found)| &found.devices);
    let on_function = devices.filter(|device| device.function == address);
    on_function.map(|device| device.id.to_string()).collect()
}

/// Where the link of a network interface leads.
fn interface(state: &Reconciler, name: &str) -> Option<std::path::PathBuf> {
    // A path would lead out of the directory.
    if name.contains('/') || name.starts_with('.') {
        return None;
    }
    let link = state.tree().below_root(INTERFACES).join(name);
    std::fs::read_link(link).ok()
}
