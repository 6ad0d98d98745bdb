//! Attributes of devices are such that Dynamic Resource Allocation can publish them.

use crate::suite::{Case, Violation};

/// The limits of `resource.k8s.io`.
const MOST: usize = 32;
const LONGEST_ID: usize = 32;
const LONGEST_VALUE: usize = 64;
/// The host adds these.
const OF_HOST: [&str; 3] = ["pciAddress", "pcieRoot", "numaNode"];

/// A device has at most 32 attributes, with ids and values of limited lengths.
///
/// # Errors
///
/// The attribute that is not valid.
pub(super) fn attributes(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        for device in &subject.found.devices {
            let count = device.attributes.len();
            if count > MOST {
                return Err(Violation::new(format!(
                    "`{}` has {count} attributes, and {MOST} are possible",
                    device.id
                )));
            }
            for (id, value) in &device.attributes {
                let text = value
                    .as_object()
                    .and_then(|value| value.values().next()?.as_str());
                let wrong = match id {
                    id if !is_id(id) => {
                        "has letters, digits and `_`, at most 32, and begins with no digit"
                    }
                    id if OF_HOST.contains(&id.as_str()) => "belongs to the host",
                    _ if text.is_some_and(|text| text.len() > LONGEST_VALUE) => {
                        "has at most 64 bytes"
                    }
                    _ => continue,
                };
                return Err(Violation::new(format!(
                    "the attribute `{}` of `{}` is not valid: such a one {wrong}",
                    id.escape_debug(),
                    device.id
                )));
            }
        }
        Ok(())
    })
}

fn is_id(id: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let begins_with_digit = id.as_bytes().first().is_none_or(u8::is_ascii_digit);
    id.len() <= LONGEST_ID && !begins_with_digit && id.bytes().all(is_letter)
}
