//! Providers that have one fault each.

use std::sync::atomic::{AtomicUsize, Ordering};

use sriovdp_sdk::{
    Allocation, Context, Deserialize, Device, Discovery, Error, HexId, JsonSchema, Manifest,
    Mismatch, Node, PciAddress, Provider, one_of,
};

/// What is wrong with a [`Card`].
pub(super) const NOTHING: u8 = 0;
pub(super) const NO_SUMMARY: u8 = 1;
pub(super) const FINDS_NONE: u8 = 2;
pub(super) const TWICE: u8 = 3;
pub(super) const FOUND_AND_EXCLUDED: u8 = 4;
pub(super) const ANOTHER_ORDER: u8 = 5;
pub(super) const FLICKERS: u8 = 6;
pub(super) const REFUSES_UNASKED: u8 = 7;
pub(super) const TRUSTS_FILES: u8 = 8;
pub(super) const TRUSTS_TWO_READS: u8 = 9;
pub(super) const TRUSTS_THE_SCAN: u8 = 10;
pub(super) const PROMISES: u8 = 11;
pub(super) const GREEDY: u8 = 12;
pub(super) const HANGS: u8 = 13;
pub(super) const FOREIGN_REASON: u8 = 14;
pub(super) const PANICS_IN_ALLOCATE: u8 = 15;
pub(super) const COUNTS_FUNCTIONS: u8 = 16;
pub(super) const IGNORES_PARTS: u8 = 17;
pub(super) const WRITES: u8 = 19;
pub(super) const NUMBERS_ALLOCATIONS: u8 = 20;
/// No fault: a virtual function is where its physical one is.
pub(super) const READS_THE_PHYSICAL_ONE: u8 = 18;

/// A device type of cards with a node each, and with a fault.
#[derive(Default)]
pub(super) struct Card<const FAULT: u8>(AtomicUsize);

#[sriovdp_sdk::selectors]
pub(super) struct Keys {
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
        Manifest::device_type("card", if FAULT == NO_SUMMARY { "" } else { "Cards" }).incremental()
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
                let function = card.function.and_then(|at| node.function(at));
                let physical = function.and_then(|f| node.function(f.physical_function?));
                card.numa_node = physical.and_then(|f| f.numa_node);
            }),
            IGNORES_PARTS => {
                let first: PciAddress = "0000:17:00.0".parse()?;
                let other = Device::new(first.into(), HexId(0)).with_function(first);
                found.extend((!node.is_in_scope(first)).then_some(other));
            }
            _ => {}
        }
        let mut found: Discovery<HexId> = found.into_iter().collect();
        if FAULT == FOUND_AND_EXCLUDED {
            found.exclude("0000:17:00.1", "it is odd");
        }
        Ok(found)
    }

    fn matches(&self, keys: &Keys, card: &Device<HexId>) -> Result<(), Mismatch> {
        match FAULT {
            FLICKERS if self.odd() => Ok(()),
            REFUSES_UNASKED => Err(Mismatch::new("devices", "it is not wanted")),
            FOREIGN_REASON => one_of("device", &keys.devices, Some(&card.facts)),
            _ => one_of("devices", &keys.devices, Some(&card.facts)),
        }
    }

    fn allocate(&self, node: &Node, _: &Keys, card: &Device<HexId>) -> Result<Allocation, Error> {
        let names = node.pci(card.pci_function()?).list("acme");
        let name = match FAULT {
            PANICS_IN_ALLOCATE => &names[0],
            _ => names.first().context("no entry in `acme`")?,
        };
        let path = format!("/dev/{name}");
        if FAULT != PROMISES {
            node.require_device_node(&path)?;
        }
        let mut allocation = Allocation::default();
        allocation.node(path);
        match FAULT {
            WRITES => std::fs::write(node.root().path("/dev/acme0"), "reset")?,
            NUMBERS_ALLOCATIONS => {
                let number = self.0.fetch_add(1, Ordering::Relaxed);
                allocation.info("card", "number", number.to_string());
            }
            _ => {}
        }
        Ok(allocation)
    }
}

/// A provider whose selectors cannot be left out.
#[derive(Default)]
pub(super) struct Demanding;

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sriovdp_sdk::serde")]
#[schemars(crate = "sriovdp_sdk::schemars")]
pub(super) struct Demands {
    #[allow(dead_code, reason = "only its schema counts")]
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

    fn matches(&self, _: &Demands, _: &Device<()>) -> Result<(), Mismatch> {
        Ok(())
    }

    fn allocate(&self, _: &Node, _: &Demands, _: &Device<()>) -> Result<Allocation, Error> {
        Ok(Allocation::default())
    }
}

/// An extension that finds devices of its own.
#[derive(Default)]
pub(super) struct Meddler;

impl Provider for Meddler {
    type Selectors = Keys;
    type Facts = ();

    fn manifest(&self) -> Manifest {
        Manifest::extension(&["card"], "Returns devices that it did not get")
    }

    fn discover(&self, node: &Node) -> Result<Discovery<()>, Error> {
        let shown = node.devices().iter();
        let mut found: Vec<_> = shown.map(|device| Device::extending(device, ())).collect();
        let mut other = found.first().cloned().context("no device was passed")?;
        other.id = sriovdp_sdk::DeviceId::new("other")?;
        found.push(other);
        Ok(found.into_iter().collect())
    }

    fn matches(&self, _: &Keys, _: &Device<()>) -> Result<(), Mismatch> {
        Ok(())
    }

    fn allocate(&self, _: &Node, _: &Keys, _: &Device<()>) -> Result<Allocation, Error> {
        Ok(Allocation::default())
    }
}
