//! Queries of devlink as messages, and replies as JSON (Linux: `Documentation/netlink/specs/devlink.yaml`).

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use netlink_bindings::devlink;
use netlink_bindings::devlink::{Devlink, IterableDevlink, IterableDlInfoVersion, IterableDlParam};
use netlink_bindings::utils::{chop_header, find_attr};
use serde_json::Value;
use sriovdp_provider_abi::wire::{DevlinkHandle, DevlinkQuestion};

use super::NetlinkError;
use super::socket::NetlinkSocket;

/// The values of a parameter, which the specification that `netlink-bindings` is made from leaves out (Linux:
/// `include/uapi/linux/devlink.h`, `DEVLINK_ATTR_PARAM_VALUES_LIST` and below).
const PARAM_VALUES_LIST: u16 = 84;
const PARAM_VALUE: u16 = 85;
const PARAM_VALUE_DATA: u16 = 86;
const PARAM_VALUE_CMODE: u16 = 87;
/// The type of a parameter that is on or off: `NLA_FLAG` of the kernel's own attribute types.
const FLAG: u8 = 6;
/// The mode of a value that holds now, `DEVLINK_PARAM_CMODE_RUNTIME`.
const RUNTIME: u8 = 0;

/// Sends one query; the result is `null` where there is none.
///
/// # Errors
///
/// See [`NetlinkSocket::query`].
pub(super) fn query(
    socket: &mut NetlinkSocket,
    question: &DevlinkQuestion,
) -> Result<Value, NetlinkError> {
    let mut answer = Value::Null;
    match question {
        DevlinkQuestion::Devices => {
            let mut handles = Vec::new();
            let request = devlink::Request::new().op_get_dump();
            socket.query(&request, |reply| handles.extend(handle(&reply)))?;
            answer = handles.into();
        }
        DevlinkQuestion::Info(of) => {
            let (bus, device) = names(of)?;
            let mut request = devlink::Request::new().op_info_get_do();
            request.encode().push_bus_name(&bus).push_dev_name(&device);
            socket.query(&request, |reply| answer = info(reply))?;
        }
        DevlinkQuestion::Eswitch(of) => {
            let (bus, device) = names(of)?;
            let mut request = devlink::Request::new().op_eswitch_get_do();
            request.encode().push_bus_name(&bus).push_dev_name(&device);
            socket.query(&request, |reply| answer = eswitch(&reply))?;
        }
        DevlinkQuestion::Parameter { of, name } => {
            let (bus, device) = names(of)?;
            let name = text(name)?;
            let mut request = devlink::Request::new().op_param_get_do();
            request
                .encode()
                .push_bus_name(&bus)
                .push_dev_name(&device)
                .push_param_name(&name);
            socket.query(&request, |reply| answer = parameter(reply))?;
        }
    }
    Ok(answer)
}

fn names(of: &DevlinkHandle) -> Result<(CString, CString), NetlinkError> {
    Ok((text(&of.bus)?, text(&of.device)?))
}

/// No name in the kernel is longer than 255 bytes; what is, or has a zero in it, is the name of nothing.
fn text(name: &str) -> Result<CString, NetlinkError> {
    let short = name.get(..name.len().min(256)).unwrap_or_default();
    CString::new(short).map_err(|_| NetlinkError::Refused(rustix::io::Errno::NODEV))
}

fn handle(reply: &IterableDevlink<'_>) -> Option<String> {
    let (bus, device) = (reply.get_bus_name().ok()?, reply.get_dev_name().ok()?);
    Some(format!(
        "{}/{}",
        bus.to_string_lossy(),
        device.to_string_lossy()
    ))
}

/// Keys as `devlink dev info` prints them. A version that runs counts more than the same one burnt in or stored.
fn info(reply: IterableDevlink<'_>) -> Value {
    let mut info = BTreeMap::new();
    let (mut fixed, mut stored, mut running) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for attribute in reply.flatten() {
        match attribute {
            Devlink::InfoDriverName(name) => drop(info.insert("driver".to_owned(), string(name))),
            Devlink::InfoSerialNumber(number) => {
                drop(info.insert("serial_number".to_owned(), string(number)))
            }
            Devlink::InfoBoardSerialNumber(number) => {
                info.insert("board.serial_number".to_owned(), string(number));
            }
            Devlink::InfoVersionFixed(version) => fixed.extend(named(&version)),
            Devlink::InfoVersionStored(version) => stored.extend(named(&version)),
            Devlink::InfoVersionRunning(version) => running.extend(named(&version)),
            _ => {}
        }
    }
    info.extend(stored.into_iter().chain(fixed).chain(running));
    info.into_iter()
        .map(|(key, value)| (key, Value::String(value)))
        .collect()
}

fn named(version: &IterableDlInfoVersion<'_>) -> Option<(String, String)> {
    let name = version.get_info_version_name().ok()?;
    Some((string(name), string(version.get_info_version_value().ok()?)))
}

fn eswitch(reply: &IterableDevlink<'_>) -> Value {
    match reply.get_eswitch_mode() {
        Ok(0) => "legacy".into(),
        Ok(1) => "switchdev".into(),
        _ => Value::Null,
    }
}

/// A parameter has a value for each mode of configuration. The one that holds now counts, or the one that holds from
/// the next start of the driver or device on, where it is the only one.
fn parameter(reply: IterableDevlink<'_>) -> Value {
    let parameter = reply.flatten().find_map(|attribute| match attribute {
        Devlink::Param(parameter) => Some(parameter),
        _ => None,
    });
    parameter
        .and_then(|parameter| flag(&parameter))
        .map_or(Value::Null, Value::Bool)
}

fn flag(parameter: &IterableDlParam<'_>) -> Option<bool> {
    if parameter.get_param_type().ok()? != FLAG {
        return None;
    }
    let values = find_attr(parameter.get_buf(), PARAM_VALUES_LIST)?;
    let mut last = None;
    let mut position = 0;
    while let Some((header, value)) = chop_header(values, &mut position) {
        if header.r#type != PARAM_VALUE {
            continue;
        }
        // The flag is on when its attribute is there.
        let on = find_attr(value, PARAM_VALUE_DATA).is_some();
        if find_attr(value, PARAM_VALUE_CMODE) == Some(&[RUNTIME]) {
            return Some(on);
        }
        last = Some(on);
    }
    last
}

fn string(text: &CStr) -> String {
    text.to_string_lossy().into_owned()
}
