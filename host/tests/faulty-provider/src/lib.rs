//! The device type `faulty`: every PCI function of class 0x12, and a fault in the call that the environment names.
//!
//! `FAULTY_PROVIDER` is a list of calls and of what happens in each, `discover=1500,admit=thousandth`. Everywhere:
//! `panic`, `bomb` (a panic whose payload panics again), `thread` (a panic of another thread), `hang`, `abort`, `exit` and
//! `print`, which is much to both outputs and no fault at all. Some calls have faults of their own:
//!
//! * `discover`: a number of devices, `9x200` nine with ids of two hundred bytes, `twice` finds each one twice, `hang-later` hangs from the second discovery on,
//!   `wait` waits until a process opens the FIFO in `FAULTY_GATE` when there is something to find, `wait-2` finds two devices then
//! * `admit`: `thousandth` panics each thousandth time
//! * `allocate`: `escape` hands out a path that is no device node, `wait` reads the FIFO in `FAULTY_GATE` to its end
//! * `drop`: what is kept about a device panics when it goes
//! * `destructor`: `hang` does so when the library goes

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use sriovdp_sdk::prelude::*;
use sriovdp_sdk::{Deserialize, DeviceId, JsonSchema, log};

/// The variable that names the faults.
const FAULTS: &str = "FAULTY_PROVIDER";

#[derive(Default)]
struct Faulty {
    discoveries: AtomicUsize,
    admissions: AtomicUsize,
}

#[selectors]
struct Selectors {
    /// Matches everything.
    anything: Vec<String>,
    /// Selects everything; its keys count.
    parts: Option<Parts>,
    /// Selects everything; its keys count.
    many: Vec<Parts>,
    /// Selects everything; its names are free, and the keys below them count.
    named: BTreeMap<String, Parts>,
    /// Selects everything; its keys count.
    kind: Option<Kind>,
}

#[selectors]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "only the shape counts")]
struct Parts {
    min_version: u8,
    mode: Option<RegistrationMode>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sriovdp_sdk::serde", rename_all = "camelCase")]
#[schemars(crate = "sriovdp_sdk::schemars")]
enum RegistrationMode {
    Inline,
    LookAside,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sriovdp_sdk::serde", rename_all = "camelCase")]
#[schemars(crate = "sriovdp_sdk::schemars")]
#[allow(dead_code, reason = "only the shape counts")]
enum Kind {
    Plain,
    Tagged { depth: u8 },
}

/// What is kept about a device.
struct Facts;

impl Drop for Facts {
    fn drop(&mut self) {
        fault("drop");
    }
}

/// The payload of a panic that is not over with it.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a payload that panics");
    }
}

impl Provider for Faulty {
    type Selectors = Selectors;
    type Facts = Facts;

    fn manifest(&self) -> Manifest {
        fault("manifest");
        Manifest::device_type("faulty", "Fails on command")
    }

    fn check(&self, selectors: &Selectors) -> Result<(), Error> {
        fault("check");
        log::debug!("{} values", selectors.anything.len());
        Ok(())
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Facts>, Error> {
        let fault = fault("discover");
        let mine = || {
            node.functions()
                .iter()
                .filter(|f| f.base_class() == 0x12)
                .map(|f| Device::of(f, Facts))
        };
        let first = node.functions().iter().find(|f| f.base_class() == 0x12);
        let waits = fault.as_deref().and_then(|what| what.strip_prefix("wait"));
        if waits.is_some() && first.is_some() {
            // Opening a FIFO waits for the other side.
            std::fs::File::open(gate()?)?;
        }
        // It has no effect but that it may be unreadable.
        let _ = first.and_then(|first| node.pci(first.address).attribute("faulty"));
        let (count, length) = waits
            .map(|what| what.trim_start_matches('-'))
            .or(fault.as_deref())
            .map_or(("", ""), |what| what.split_once('x').unwrap_or((what, "0")));
        let (count, length) = (count.parse::<usize>().ok(), length.parse().unwrap_or(0));
        if let (Some(count), Some(first)) = (count, first) {
            let device = |n| {
                let id = DeviceId::new(format!("{:x<length$}.{n}", first.address.to_string()))?;
                let device = Device::new(id, Facts).with_function(first.address);
                Ok(device.with_numa_node(first.numa_node))
            };
            return (0..count).map(device).collect();
        }
        match fault.as_deref() {
            Some("hang-later") if self.discoveries.fetch_add(1, Ordering::Relaxed) > 0 => hang(),
            Some("twice") => Ok(mine().chain(mine()).collect()),
            _ => Ok(mine().collect()),
        }
    }

    fn matches(&self, _: &Selectors, _: &Device<Facts>) -> Result<(), Mismatch> {
        let admissions = self.admissions.fetch_add(1, Ordering::Relaxed) + 1;
        if fault("admit").as_deref() == Some("thousandth") && admissions.is_multiple_of(1000) {
            panic!("a fault in one of a thousand");
        }
        Ok(())
    }

    fn allocate(&self, _: &Node, _: &Selectors, _: &Device<Facts>) -> Result<Allocation, Error> {
        let mut allocation = Allocation::default();
        match fault("allocate").as_deref() {
            Some("escape") => drop(allocation.node("/etc/shadow")),
            Some("wait") => drop(std::fs::read(gate()?).map_err(|e| Error::from_std(&e))?),
            _ => {}
        }
        Ok(allocation)
    }
}

fn gate() -> Result<String, Error> {
    std::env::var("FAULTY_GATE").map_err(|error| Error::from_std(&error))
}

/// Commits the fault that the environment names for `call`, or names it where the call commits it itself.
fn fault(call: &str) -> Option<String> {
    let faults = std::env::var(FAULTS).ok()?;
    let mut faults = faults.split(',').filter_map(|fault| fault.split_once('='));
    let (_, what) = faults.find(|(place, _)| *place == call)?;
    match what {
        "panic" => panic!("a fault in {call}"),
        "bomb" => std::panic::panic_any(Bomb),
        "thread" => {
            let place = call.to_owned();
            let panicked = std::thread::spawn(move || panic!("a fault in a thread of {place}"));
            assert!(panicked.join().is_err());
            None
        }
        "hang" => hang(),
        "abort" => std::process::abort(),
        #[allow(clippy::exit, reason = "this is the fault")]
        "exit" => std::process::exit(3),
        "print" => {
            print(std::io::stdout());
            print(std::io::stderr());
            None
        }
        other => Some(other.to_owned()),
    }
}

fn print(mut output: impl std::io::Write) {
    let line = [b'x'; 1 << 20];
    output.write_all(&line).expect("a reader");
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

#[used]
#[unsafe(link_section = ".fini_array")]
static DESTRUCTOR: extern "C" fn() = destructor;

extern "C" fn destructor() {
    fault("destructor");
}

export_provider!(Faulty);
