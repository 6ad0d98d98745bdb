//! A discovery of one function agrees with a discovery of everything.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::suite::stage::Stage;
use crate::suite::subject::{Subject, with_causes};
use crate::suite::{Case, Violation, values};
use sriovdp_provider_abi::wire;
use sriovdp_sdk::PciAddress;

/// An incremental provider finds the same on a function when only that one is in scope, with the functions that the
/// host adds, whichever were in scope before.
///
/// # Errors
///
/// The function that something else is found on.
pub(super) fn parted(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        if !subject.manifest.is_incremental() {
            return Ok(());
        }
        subject.discover_all(stage)?;
        let judgements = Judgement::all(subject, stage)?;
        judge(subject, stage, &judgements)
    })
}

/// What a discovery of everything leads to: the devices that some selectors match.
struct Judgement {
    selectors: Value,
    matching: BTreeSet<String>,
}

impl Judgement {
    /// Those of selectors that match a device.
    fn all(subject: &Subject, stage: &Stage) -> Result<Vec<Self>, Violation> {
        let mut all = Vec::new();
        for selectors in values::of(&subject.manifest.schema, stage) {
            let matching = BTreeSet::from_iter(subject.select(&selectors)?.unwrap_or_default());
            if !matching.is_empty() {
                all.push(Self {
                    selectors,
                    matching,
                });
            }
        }
        Ok(all)
    }

    /// The same devices match by what a discovery of `function` has found.
    fn holds(&self, subject: &Subject, function: PciAddress) -> Result<(), Violation> {
        let found: BTreeSet<String> = subject.ids().into_iter().collect();
        let selected = subject.select(&self.selectors)?.unwrap_or_default();
        let selected: BTreeSet<String> = selected.into_iter().collect();
        let expected: BTreeSet<String> = self.matching.intersection(&found).cloned().collect();
        if selected == expected {
            return Ok(());
        }
        let selectors = &self.selectors;
        Err(Violation::new(format!(
            "after a discovery of {function} alone, the selectors {selectors} match {selected:?} of {found:?}, and after \
             one of everything {expected:?}: the facts depend on other functions"
        )))
    }
}

fn judge(subject: &mut Subject, stage: &Stage, judgements: &[Judgement]) -> Result<(), Violation> {
    let whole = std::mem::take(&mut subject.found);
    let excluded: BTreeSet<&(String, String)> = whole.excluded.iter().collect();
    let functions = stage.functions().iter().map(|function| function.address);
    let functions: Vec<PciAddress> = functions.collect();
    for &function in &functions {
        let scope = scope_of(stage, function);
        let part = subject.discover_part(stage, function, &scope)?;
        let expected = whole.devices.iter();
        let expected = expected.filter(|device| is_on_one_of(device, &scope));
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
        subject.found = part;
        judgements
            .iter()
            .try_for_each(|judgement| judgement.holds(subject, function))?;
    }
    for device in &whole.devices {
        subject
            .explain(&json!({}), device.id.as_str())?
            .map_err(|error| {
                Violation::new(format!(
                    "after discoveries of one function at a time, `{}` cannot be explained: {}",
                    device.id,
                    with_causes(&error)
                ))
            })?;
    }
    Ok(())
}

/// The scope of the host when `function` has changed: its physical function or its virtual ones with it.
fn scope_of(stage: &Stage, function: PciAddress) -> BTreeSet<PciAddress> {
    let functions = stage.functions().iter();
    let physical = functions
        .clone()
        .filter(|other| other.address == function)
        .filter_map(|other| other.physical_function);
    let virtual_ones = functions
        .filter(|other| other.physical_function == Some(function))
        .map(|other| other.address);
    physical.chain(virtual_ones).chain([function]).collect()
}

fn is_on_one_of(device: &wire::Device, functions: &BTreeSet<PciAddress>) -> bool {
    let on = match device.function {
        Some(on) => Ok(on),
        None => device.id.as_str().parse(),
    };
    on.is_ok_and(|on| functions.contains(&on))
}

fn differs(function: PciAddress, found: &Value, expected: &Value) -> Violation {
    Violation::new(format!(
        "a discovery of {function} alone finds {found}, and one of everything finds {expected}"
    ))
}
