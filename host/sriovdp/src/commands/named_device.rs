//! The devices that the argument of `sriovdp explain` names: by id, PCI address, or network interface.

use std::ffi::OsStr;

use sriovdp_sdk::{Error, HostRoot, PciAddress, PciSysfs};

use sriovdp_agent::reconcile::{Outcome, Reconciler};

/// Links from network interfaces to their directories, which are below those of their devices.
const INTERFACES: &str = "/sys/class/net";

/// The ids of the devices that `text` names, including excluded ones.
///
/// # Errors
///
/// When there is none, with the reason.
pub(super) fn ids(state: &Reconciler, outcome: &Outcome, text: &str) -> Result<Vec<String>, Error> {
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
                "no provider has discovered a device `{text}`, and the node has no network interface of that name"
            )));
        }
    };
    let found = at_address(state, address);
    if !found.is_empty() {
        return Ok(found);
    }
    let mut functions = state.functions().iter();
    Err(match functions.find(|f| f.address == address) {
        Some(_) if !outcome.failures.is_empty() => {
            Error::new(format!("a discovery failed, so {name} may or may not be a device"))
        }
        Some(function) => Error::new(format!(
            "{name} is the PCI function {address} of class {:06x} ({}:{}), which no provider offers",
            function.class, function.vendor, function.device
        ))
        .with_hint("`sriovdp providers` lists the loaded providers"),
        None => left_out(state, &name, address).unwrap_or_else(|| unknown(&format!(
            "no provider has discovered a device {name}, and the node has no PCI function {address}"
        ))),
    })
}

/// Why a function that the node has is not among those that are known.
fn left_out(state: &Reconciler, name: &str, address: PciAddress) -> Option<Error> {
    let root = HostRoot::new(state.tree().root());
    let function = PciSysfs::at(&root, address);
    let attributes = ["vendor", "device", "class"];
    let unreadable = attributes.map(|name| function.attribute(name).is_none().then_some(name));
    let unreadable: Vec<&str> = unreadable.into_iter().flatten().collect();
    let message = match unreadable.join("`, `") {
        _ if !function.exists() => return None,
        none if none.is_empty() => "it came while this command ran".to_owned(),
        names => format!("its `{names}` cannot be read"),
    };
    let message =
        format!("{name} is the PCI function {address}, which no provider gets: {message}");
    Some(
        Error::new(message)
            .with_hint("the kernel's log may have the reason; the daemon reads it again by itself"),
    )
}

fn unknown(message: &str) -> Error {
    Error::new(message.to_owned()).with_hint(
        "the interface of a device in a pod is not visible here, but its device is; `sriovdp explain` without an \
         argument prints all devices",
    )
}

fn by_id(state: &Reconciler, id: &str) -> Vec<String> {
    let found = state.scan().device_types().flat_map(|(_, found)| {
        let devices = found.devices.iter().map(|device| device.id.as_str());
        devices.chain(found.excluded.iter().map(|excluded| excluded.name.as_str()))
    });
    let same = found.filter(|other| other.eq_ignore_ascii_case(id));
    same.map(str::to_owned).collect()
}

/// The device with the address as its id, or else all devices on the function.
fn at_address(state: &Reconciler, address: PciAddress) -> Vec<String> {
    let found = by_id(state, &address.to_string());
    if !found.is_empty() {
        return found;
    }
    let devices = state.scan().device_types();
    let devices = devices.flat_map(|(_, found)| &found.devices);
    let on_function = devices.filter(|device| device.function == Some(address));
    on_function.map(|device| device.id.to_string()).collect()
}

/// The target of a network interface's link.
fn interface(state: &Reconciler, name: &str) -> Option<std::path::PathBuf> {
    // A path could leave the directory.
    if name.contains('/') || name.starts_with('.') {
        return None;
    }
    let link = state.tree().below_root(INTERFACES).join(name);
    std::fs::read_link(link).ok()
}
