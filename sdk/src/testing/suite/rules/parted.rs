//! A discovery of one function is what a discovery of everything says about it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::abi::wire;
use crate::testing::suite::Violation;
use crate::testing::suite::stage::Stage;
use crate::testing::suite::subject::{Subject, told};
use crate::{PciAddress, Provider};

/// A provider that says it goes function by function finds the same on each when only that one is asked about, whichever
/// were asked about before.
///
/// # Errors
///
/// The function that something else is found on.
pub fn parted<P: Provider>(author: &str) -> Result<(), Violation> {
    for stage in &Stage::all(author)? {
        for mut subject in Subject::<P>::each()? {
            if subject.manifest.by_function {
                subject.discover_all(stage)?;
                judge(&mut subject, stage)?;
            }
        }
    }
    Ok(())
}

fn judge<P: Provider>(subject: &mut Subject<P>, stage: &Stage) -> Result<(), Violation> {
    let whole = std::mem::take(&mut subject.found);
    let excluded: BTreeSet<&(String, String)> = whole.excluded.iter().collect();
    let functions = stage.functions().iter().map(|function| function.address);
    let functions: Vec<PciAddress> = functions.collect();
    for &function in &functions {
        let part = subject.discover_part(stage, function)?;
        let expected = whole
            .devices
            .iter()
            .filter(|device| is_on(device, function));
        let (expected, found) = (json!(Vec::from_iter(expected)), json!(part.devices));
        if found != expected {
            return Err(differs(function, &found, &expected));
        }
        if let Some(other) = part
            .excluded
            .iter()
            .find(|left_out| !excluded.contains(left_out))
        {
            return Err(differs(function, &json!(other), &json!(whole.excluded)));
        }
    }
    for device in &whole.devices {
        subject
            .explain(&json!({}), device.id.as_str())?
            .map_err(|error| {
                Violation::new(format!(
                    "after discoveries of one function at a time, `{}` cannot be explained: {}",
                    device.id,
                    told(&error)
                ))
            })?;
    }
    Ok(())
}

fn is_on(device: &wire::Device, function: PciAddress) -> bool {
    match device.function {
        Some(on) => on == function,
        None => device.id.as_str() == function.to_string(),
    }
}

fn differs(function: PciAddress, found: &Value, expected: &Value) -> Violation {
    Violation::new(format!(
        "a discovery of {function} alone finds {found}, and one of everything finds {expected}"
    ))
}
