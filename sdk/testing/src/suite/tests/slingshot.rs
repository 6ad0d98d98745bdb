//! The device type of a made-up network card with a character device, a library and one fault at a time.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use sriovdp_sdk::prelude::*;
use sriovdp_sdk::selector::{CaseInsensitive, IndexRanges, one_of_ranges};
use sriovdp_sdk::userspace::require_driver;
use sriovdp_sdk::{DeviceId, Finding, FindingKind, Mount, settings};

use super::fault::{FAULT, Fault};

pub(super) const NODE: &str = "
    pci 0000:21:00.0 17db:0501 class=020000 driver=cxi_ss1 net=hsn0 numa=1
    pci 0000:41:00.0 17db:0501 class=020000 driver=cxi_ss1 net=hsn1 numa=2
    pci 0000:61:00.0 17db:0502 class=020000 driver=cxi_ss1 net=hsn2 numa=2
    pci 0000:81:00.0 17db:0501 class=020000
    file @0000:21:00.0/cxi/cxi0/speed 200
    file @0000:41:00.0/cxi/cxi1/speed 200
    file @0000:61:00.0/cxi/cxi2/speed 200
    file /usr/share/cxi/cxi{0-2}.fw firmware
    dev /dev/cxi{0-2}
";

pub(super) struct Slingshot {
    fault: Fault,
    seen: Mutex<Vec<String>>,
    first: OnceLock<String>,
}

impl Default for Slingshot {
    fn default() -> Self {
        Self {
            fault: FAULT.get(),
            seen: Mutex::default(),
            first: OnceLock::new(),
        }
    }
}

#[selectors]
#[serde(rename_all = "camelCase")]
pub(super) struct Keys {
    /// PCI device ids.
    devices: Vec<HexId>,
    /// Drivers.
    drivers: Vec<String>,
    /// Network interfaces, and the numbers of their cards.
    interfaces: Vec<IndexRanges<CaseInsensitive>>,
    /// Whether containers get the firmware.
    with_firmware: bool,
}

/// The section of the configuration.
#[settings]
#[serde(rename_all = "camelCase")]
pub(super) struct Settings {
    /// Cards with a lower speed are left out.
    min_speed: u32,
}

pub(super) struct Facts {
    device: HexId,
    driver: Option<String>,
    interface: Option<CaseInsensitive>,
    index: Option<u32>,
}

impl Slingshot {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn device(&self, node: &Node, function: &PciFunction, n: usize) -> Device<Facts> {
        let directory = node.pci(function.address);
        let card = match self.fault {
            Fault::ReadsOnAThread => {
                std::thread::scope(|scope| scope.spawn(|| directory.list("cxi")).join().unwrap())
            }
            Fault::ReadsPastTheNode => {
                let path = format!("/sys/bus/pci/devices/{}/cxi", function.address);
                let names = std::fs::read_dir(node.root().path(&path));
                let names = names.into_iter().flatten().flatten();
                names
                    .map(|name| name.file_name().to_string_lossy().into_owned())
                    .collect()
            }
            _ => directory.list("cxi"),
        };
        let card = card.into_iter().next();
        if let (Fault::TrustsFiles, Some(card)) = (self.fault, &card) {
            let speed = directory.attribute(&format!("cxi/{card}/speed"));
            assert!(speed.unwrap().parse::<u32>().unwrap() > 0);
        }
        let missing = match &card {
            None => Some("the driver has no card for it".to_owned()),
            Some(card) => node
                .require_device_node(&format!("/dev/{card}"))
                .err()
                .map(|e| e.to_string()),
        };
        let reason = |reason: String| match self.fault {
            Fault::FindsWithoutAReason => String::new(),
            _ => reason,
        };
        let missing = missing.map(|missing| Finding::new(FindingKind::DeviceNode, reason(missing)));
        let number = match self.fault {
            Fault::CountsFunctions => u32::try_from(n).ok(),
            _ => card
                .as_deref()
                .and_then(|card| card.strip_prefix("cxi")?.parse().ok()),
        };
        let interface = directory.netdevs().into_iter().next();
        let facts = Facts {
            device: function.device,
            driver: function.driver.clone(),
            interface: interface.map(|netdev| CaseInsensitive::from(netdev.name())),
            index: number,
        };
        let device = match self.fault {
            Fault::MakesUpNumaNodes => Device::of(function, facts).with_numa_node(Some(0)),
            _ => Device::of(function, facts),
        };
        if self.has(Fault::HasALongAttribute) {
            return device.with_attribute("firmware", "x".repeat(65));
        }
        device.with_findings([missing])
    }
}

impl Provider for Slingshot {
    type Selectors = Keys;
    type Facts = Facts;

    fn manifest(&self) -> Manifest {
        let summary = if self.has(Fault::HasNoSummary) {
            ""
        } else {
            "Cards"
        };
        Manifest::device_type("slingshot", summary)
            .incremental()
            .settings::<Settings>()
            .pre_start()
    }

    fn check(&self, keys: &Keys) -> Result<(), Error> {
        match self.fault {
            Fault::MountsTheRootBehindAKey if keys.devices.is_empty() => {
                Err(Error::new("the selector `devices` is missing"))
            }
            _ => Ok(()),
        }
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Facts>, Error> {
        if self.has(Fault::DiscoversSlowly) {
            std::thread::sleep(Duration::from_secs(2));
        }
        let settings = node.settings::<Settings>()?;
        assert!(!self.has(Fault::PanicsOnASetting) || settings.min_speed < 100);
        let mut found = Discovery::default();
        let mine = node
            .functions()
            .iter()
            .filter(|f| f.vendor == HexId(0x17db));
        for (n, function) in mine.enumerate() {
            if self.has(Fault::ExcludesWithoutAReason) && n == 1 {
                found.exclude(function.address, " ");
                continue;
            }
            if self.has(Fault::Leaks) {
                let mut seen = self.seen.lock().unwrap();
                seen.push(format!("{} {:?}", function.address, function.driver));
            }
            if self.has(Fault::WritesInDiscover) {
                let path = format!("/sys/bus/pci/devices/{}/cxi/reset", function.address);
                let _ = std::fs::write(node.root().path(&path), "1");
            }
            let device = self.device(node, function, n);
            if self.has(Fault::OffersOneTwice) {
                found.add(self.device(node, function, n));
            }
            found.add(device);
        }
        if self.has(Fault::OffersPhysicalFunctions) {
            let others = node.functions().iter().filter(|f| f.vf_count > 0);
            for function in others {
                let facts = Facts {
                    device: function.device,
                    driver: function.driver.clone(),
                    interface: None,
                    index: None,
                };
                let id = DeviceId::new(format!("{}-all", function.address))?;
                let device = Device::new(id, facts).with_function(function.address);
                let missing = Finding::new(FindingKind::Other, "it has no card");
                found.add(
                    device
                        .with_numa_node(function.numa_node)
                        .with_findings([missing]),
                );
            }
        }
        Ok(found)
    }

    fn matches(&self, keys: &Keys, device: &Device<Facts>) -> Result<(), Mismatch> {
        let facts = &device.facts;
        match self.fault {
            Fault::ForgetsAKey => {}
            Fault::NamesAForeignKey => one_of("device", &keys.devices, Some(&facts.device))?,
            Fault::PanicsOnThreeValues => assert_ne!(keys.devices.len(), 3),
            #[allow(clippy::exit, reason = "the fault")]
            Fault::ExitsOnAValue if keys.devices.contains(&HexId(0x17db)) => std::process::exit(0),
            #[allow(clippy::exit, reason = "the fault")]
            Fault::ExitsOnAnUntriedValue if keys.devices.contains(&HexId(0xdead)) => {
                std::process::exit(0)
            }
            Fault::ConstrainsByDefault if keys.devices.is_empty() => {
                one_of("devices", &[HexId(0x0501)], Some(&facts.device))?;
            }
            Fault::RemembersInMatches => {
                let mut seen = self.seen.lock().unwrap();
                seen.push(device.id.to_string());
                if seen.len() % 2 == 0 {
                    return Err(Mismatch::new("devices", "it was seen before"));
                }
            }
            _ => one_of("devices", &keys.devices, Some(&facts.device))?,
        }
        one_of("drivers", &keys.drivers, facts.driver.as_ref())?;
        let interface = facts.interface.as_ref();
        one_of_ranges(
            "interfaces",
            &keys.interfaces,
            interface,
            facts.index,
            || "it has no interface".to_owned(),
        )
    }

    fn pre_start(&self, _: &Node, _: &Keys, device: &Device<Facts>) -> Result<(), Error> {
        match self.fault {
            Fault::StartsSlowly => std::thread::sleep(Duration::from_secs(4)),
            Fault::StartsOnce if self.first.set(device.id.to_string()).is_err() => {
                return Err(Error::new("it has been prepared"));
            }
            Fault::RefusesToStart => return Err(Error::new("not today")),
            _ => {}
        }
        Ok(())
    }

    fn allocate(
        &self,
        node: &Node,
        keys: &Keys,
        device: &Device<Facts>,
    ) -> Result<Allocation, Error> {
        match self.fault {
            Fault::RefusesAlways => return Err(Error::new("not today")),
            Fault::AllocatesSlowly => std::thread::sleep(Duration::from_secs(4)),
            _ => {}
        }
        if !self.has(Fault::IgnoresTheBoundDriver) {
            require_driver(node, device, &keys.drivers)?;
        }
        let mut names = node.pci(device.pci_function()?).list("cxi").into_iter();
        let mut card = names.next().context("no entry in `cxi`")?;
        if self.has(Fault::HandsOutTheFirst) {
            card = self.first.get_or_init(|| card).clone();
        }
        let path = format!("/dev/{card}");
        if !self.has(Fault::PromisesWhatIsMissing) {
            node.require_device_node(&path)?;
        }
        let mut allocation = Allocation::default();
        match self.fault {
            Fault::HandsOutAFile => allocation.node_as("/usr/share/cxi/cxi0.fw", path),
            Fault::HidesANodeInTheContainer => allocation.node_as(path, "/etc/cxi"),
            Fault::GivesAllOnePath => allocation.node_as(path, "/dev/cxi"),
            _ => allocation.node(path),
        };
        if keys.with_firmware {
            allocation.mount_read_only(format!("/usr/share/cxi/{card}.fw"));
        }
        match self.fault {
            Fault::SetsOneVariable => drop(allocation.env("FI_CXI_DEVICE_NAME", card)),
            Fault::SetsAVariableOfTheHost => drop(allocation.env("PCIDEVICE_CXI", card)),
            Fault::MountsTheRoot | Fault::MountsTheRootBehindAKey => {
                allocation.mount(Mount::writable("/", "/host"));
            }
            Fault::WritesAMegabyte => drop(allocation.info("cxi", "log", "x".repeat(1 << 20))),
            Fault::AllocatesInTurn => {
                let mut seen = self.seen.lock().unwrap();
                seen.push(card);
                allocation.info("cxi", "turn", seen.len().to_string());
            }
            _ => {
                allocation.env_list("FI_CXI_DEVICE_NAME", card.as_str());
                allocation.info("cxi", "device", card);
            }
        }
        Ok(allocation)
    }
}
