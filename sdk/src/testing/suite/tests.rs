//! The suite finds each fault that it looks for, and none in a provider that has none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{PATIENCE, Rule, Violation, outcome, rules};
use crate::{
    Allocation, Device, Discovery, Error, Health, HexId, Manifest, Node, PciAddress, Provider,
    Refusal, one_of,
};

const NODE: &str = "
    pci 0000:17:00.{0-2} ac3e:000{0-2} class=120000 driver=acme
    file @0000:17:00.{0-2}/acme/acme{0-2}/dev 240:{0-2}
    file @0000:17:00.{0-2}/load 17
    dev /dev/acme{0-2}
";

/// What is wrong with a [`Card`].
const NOTHING: u8 = 0;
const NO_SUMMARY: u8 = 1;
const FINDS_NONE: u8 = 2;
const TWICE: u8 = 3;
const FOUND_AND_EXCLUDED: u8 = 4;
const ANOTHER_ORDER: u8 = 5;
const FLICKERS: u8 = 6;
const REFUSES_UNASKED: u8 = 7;
const TRUSTS_FILES: u8 = 8;
const TRUSTS_TWO_READS: u8 = 9;
const TRUSTS_THE_SCAN: u8 = 10;
const PROMISES: u8 = 11;
const GREEDY: u8 = 12;
const HANGS: u8 = 13;
const FOREIGN_REASON: u8 = 14;
const PANICS_IN_ALLOCATE: u8 = 15;
const COUNTS_FUNCTIONS: u8 = 16;
const IGNORES_PARTS: u8 = 17;
/// No fault: a virtual function is where its physical one is.
const READS_THE_PHYSICAL_ONE: u8 = 18;

/// A device type of cards with a node each, and with a fault.
#[derive(Default)]
struct Card<const FAULT: u8>(AtomicUsize);

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Keys {
    devices: Vec<HexId>,
}

impl<const FAULT: u8> Card<FAULT> {
    fn odd(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % 2 == 1
    }
}

impl<const FAULT: u8> Provider for Card<FAULT> {
    type Selectors = Keys;
    type Facts = HexId;

    fn manifest(&self) -> Manifest {
        Manifest::device_type("card", if FAULT == NO_SUMMARY { "" } else { "Cards" })
            .function_by_function()
    }

    fn discover(&self, node: &Node) -> Result<Discovery<HexId>, Error> {
        let mut found = Vec::new();
        let mine = node
            .functions()
            .iter()
            .filter(|f| f.vendor == HexId(0xac3e));
        for function in mine {
            let directory = node.pci(function.address);
            match FAULT {
                TRUSTS_FILES => drop(
                    directory
                        .attribute("load")
                        .map(|load| load.parse::<u64>().unwrap()),
                ),
                TRUSTS_TWO_READS if directory.exists() => {
                    drop(directory.list("acme").remove(0));
                }
                TRUSTS_THE_SCAN => assert_eq!(function.driver.as_deref().unwrap(), "acme"),
                GREEDY => (0..100).for_each(|_| drop(directory.attribute("load"))),
                HANGS => loop {
                    std::thread::park();
                },
                _ => {}
            }
            found.push(Device::of(function, function.device));
        }
        match FAULT {
            FINDS_NONE => found.clear(),
            TWICE => found.extend(found.first().cloned()),
            ANOTHER_ORDER if self.odd() => found.reverse(),
            COUNTS_FUNCTIONS => found.iter_mut().for_each(|card| {
                card.numa_node = u32::try_from(node.functions().len()).ok();
            }),
            READS_THE_PHYSICAL_ONE => found.iter_mut().for_each(|card| {
                let function = node.function(card.function);
                let physical = function.and_then(|f| node.function(f.physical_function?));
                card.numa_node = physical.and_then(|f| f.numa_node);
            }),
            IGNORES_PARTS => {
                let first: PciAddress = "0000:17:00.0".parse()?;
                found.extend((!node.asks_about(first)).then(|| Device {
                    id: first.into(),
                    function: first,
                    numa_node: None,
                    health: Health::Healthy,
                    facts: HexId(0),
                }));
            }
            _ => {}
        }
        let mut found: Discovery<HexId> = found.into_iter().collect();
        if FAULT == FOUND_AND_EXCLUDED {
            found.excluded("0000:17:00.1", "it is odd");
        }
        Ok(found)
    }

    fn admit(&self, keys: &Keys, card: &Device<HexId>) -> Result<(), Refusal> {
        match FAULT {
            FLICKERS if self.odd() => Ok(()),
            REFUSES_UNASKED => Err(Refusal::new("devices", "it is not asked for")),
            FOREIGN_REASON => one_of("device", &keys.devices, Some(&card.facts)),
            _ => one_of("devices", &keys.devices, Some(&card.facts)),
        }
    }

    fn allocate(&self, node: &Node, _: &Keys, card: &Device<HexId>) -> Result<Allocation, Error> {
        let names = node.pci(card.function).list("acme");
        let name = match FAULT {
            PANICS_IN_ALLOCATE => &names[0],
            _ => names
                .first()
                .ok_or_else(|| Error::new("no entry in `acme`"))?,
        };
        let path = format!("/dev/{name}");
        if FAULT != PROMISES {
            node.require_device_node(&path)?;
        }
        let mut allocation = Allocation::default();
        allocation.node(path);
        Ok(allocation)
    }
}

/// A provider whose selectors cannot be left out.
#[derive(Default)]
struct Demanding;

#[derive(Deserialize, JsonSchema)]
struct Demands {
    #[allow(dead_code, reason = "only its schema is looked at")]
    devices: Vec<HexId>,
}

impl Provider for Demanding {
    type Selectors = Demands;
    type Facts = ();

    fn manifest(&self) -> Manifest {
        Manifest::device_type("demanding", "Wants a key")
    }

    fn discover(&self, _: &Node) -> Result<Discovery<()>, Error> {
        Ok(Discovery::default())
    }

    fn admit(&self, _: &Demands, _: &Device<()>) -> Result<(), Refusal> {
        Ok(())
    }

    fn allocate(&self, _: &Node, _: &Demands, _: &Device<()>) -> Result<Allocation, Error> {
        Ok(Allocation::default())
    }
}

/// An extension that finds devices of its own.
#[derive(Default)]
struct Meddler;

impl Provider for Meddler {
    type Selectors = Keys;
    type Facts = ();

    fn manifest(&self) -> Manifest {
        Manifest::extension(&["card"], "Speaks of what it was not shown")
    }

    fn discover(&self, node: &Node) -> Result<Discovery<()>, Error> {
        let shown = node.devices().iter();
        let mut found: Vec<_> = shown.map(|device| Device::extending(device, ())).collect();
        let mut other = found
            .first()
            .cloned()
            .ok_or_else(|| Error::new("nothing was shown"))?;
        other.id = crate::DeviceId::new("other")?;
        found.push(other);
        Ok(found.into_iter().collect())
    }

    fn admit(&self, _: &Keys, _: &Device<()>) -> Result<(), Refusal> {
        Ok(())
    }

    fn allocate(&self, _: &Node, _: &Keys, _: &Device<()>) -> Result<Allocation, Error> {
        Ok(Allocation::default())
    }
}

#[track_caller]
fn breaks(rule: Rule, expected: &str) {
    let violation: Violation = outcome(rule, NODE, PATIENCE).expect_err("a violation");
    assert!(violation.to_string().contains(expected), "{violation}");
}

#[test]
fn a_provider_without_a_fault_passes() {
    let all: [Rule; 11] = [
        rules::declared::<Card<NOTHING>>,
        rules::found::<Card<NOTHING>>,
        rules::ids::<Card<NOTHING>>,
        rules::stable::<Card<NOTHING>>,
        rules::parted::<Card<NOTHING>>,
        rules::agreeing::<Card<NOTHING>>,
        rules::damaged::<Card<NOTHING>>,
        rules::vanishing::<Card<NOTHING>>,
        rules::odd_scan::<Card<NOTHING>>,
        rules::allocated::<Card<NOTHING>>,
        rules::bounded::<Card<NOTHING>>,
    ];
    for rule in all {
        outcome(rule, NODE, PATIENCE).unwrap();
    }
}

#[test]
fn manifests_and_schemas_are_judged() {
    breaks(rules::declared::<Card<NO_SUMMARY>>, "the summary");
    breaks(rules::declared::<Demanding>, "`#[serde(default)]`");
}

#[test]
fn a_suite_without_devices_is_no_suite() {
    breaks(rules::found::<Card<FINDS_NONE>>, "no device is found");
    let without = outcome(rules::found::<Card<NOTHING>>, "", PATIENCE);
    assert!(
        without
            .unwrap_err()
            .to_string()
            .contains("no device is found")
    );
}

#[test]
fn ids_are_judged() {
    breaks(rules::ids::<Card<TWICE>>, "the device `0000:17:00.0` twice");
    breaks(
        rules::ids::<Card<FOUND_AND_EXCLUDED>>,
        "`0000:17:00.1` is both found and left out",
    );
    breaks(rules::ids::<Meddler>, "`other` is none of the devices");
}

#[test]
fn another_answer_is_found() {
    breaks(
        rules::stable::<Card<ANOTHER_ORDER>>,
        "a second discovery of the same node",
    );
}

#[test]
fn parts_that_are_other_than_the_whole_are_found() {
    breaks(
        rules::parted::<Card<COUNTS_FUNCTIONS>>,
        "a discovery of 0000:17:00.0 alone finds",
    );
    breaks(
        rules::parted::<Card<IGNORES_PARTS>>,
        "which it was not asked about",
    );
}

#[test]
fn a_virtual_function_is_asked_about_with_its_physical_one() {
    let node = "
        pf 0000:18:00.0 ac3e:0001 class=120000 driver=acme numa=1
        vf 0000:18:00.{1-2} ac3e:0002 pf=0000:18:00.0 id={0-1} class=120000 driver=acme
    ";
    outcome(
        rules::parted::<Card<READS_THE_PHYSICAL_ONE>>,
        node,
        PATIENCE,
    )
    .unwrap();
}

#[test]
fn disagreement_is_found() {
    breaks(rules::agreeing::<Card<FLICKERS>>, "with the selectors {");
    breaks(
        rules::agreeing::<Card<REFUSES_UNASKED>>,
        "which nobody asks for",
    );
    breaks(
        rules::agreeing::<Card<FOREIGN_REASON>>,
        "`device`, which is no selector key",
    );
}

#[test]
fn panics_are_found_with_their_place() {
    breaks(
        rules::damaged::<Card<TRUSTS_FILES>>,
        "`/sys/devices/pci0000:17/0000:17:00.0/load` is an empty file",
    );
    breaks(
        rules::vanishing::<Card<TRUSTS_TWO_READS>>,
        "`0000:17:00.0` left the node before read",
    );
    breaks(
        rules::odd_scan::<Card<TRUSTS_THE_SCAN>>,
        "the scan says that no function has a driver",
    );
    breaks(
        rules::damaged::<Card<PANICS_IN_ALLOCATE>>,
        "`allocate` panics: index out of bounds",
    );
}

#[test]
fn empty_promises_are_found() {
    breaks(
        rules::allocated::<Card<PROMISES>>,
        "the container is promised `/dev/acme0`, which does not exist",
    );
}

#[test]
fn greed_is_found() {
    breaks(
        rules::bounded::<Card<GREEDY>>,
        "the discovery reads the node 409600 times",
    );
}

#[test]
fn a_provider_that_does_not_come_back_is_found() {
    let late = outcome(
        rules::found::<Card<HANGS>>,
        NODE,
        Duration::from_millis(100),
    );
    assert!(
        late.unwrap_err()
            .to_string()
            .contains("has not come back within 100ms")
    );
}
