//! The device type `faulty`: every PCI function of class 0x12, and a fault in the call that the environment names.
//!
//! `FAULTY_PROVIDER` is the name of a call and what happens in it: `discover=panic`, `allocate=hang`. `escape` in
//! `allocate` hands out a path that is no device node, `twice` in `discover` finds each device twice, and
//! `hang-later` in it hangs from the second discovery on.

use std::sync::atomic::{AtomicUsize, Ordering};

use sriovdp_sdk::*;

/// The variable that names the fault.
const FAULT: &str = "FAULTY_PROVIDER";

#[derive(Default)]
struct Faulty {
    discoveries: AtomicUsize,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(crate = "sriovdp_sdk::serde", default)]
#[schemars(crate = "sriovdp_sdk::schemars")]
struct Selectors {
    /// Selects everything, whatever it says.
    anything: Vec<String>,
}

impl Provider for Faulty {
    type Selectors = Selectors;
    type Facts = ();

    fn manifest(&self) -> Manifest {
        fault("manifest");
        Manifest::device_type("faulty", "Fails on command")
    }

    fn check(&self, selectors: &Selectors) -> Result<(), Error> {
        fault("check");
        log::debug!("{} values", selectors.anything.len());
        Ok(())
    }

    fn discover(&self, node: &Node) -> Result<Discovery<()>, Error> {
        let fault = fault("discover");
        let mine = || {
            node.functions()
                .iter()
                .filter(|f| f.base_class() == 0x12)
                .map(|f| Device::of(f, ()))
        };
        match fault.as_deref() {
            Some("hang-later") if self.discoveries.fetch_add(1, Ordering::Relaxed) > 0 => loop {
                std::thread::park();
            },
            Some("twice") => Ok(mine().chain(mine()).collect()),
            _ => Ok(mine().collect()),
        }
    }

    fn admit(&self, _: &Selectors, _: &Device<()>) -> Result<(), Refusal> {
        fault("admit");
        Ok(())
    }

    fn allocate(&self, _: &Node, _: &Selectors, _: &Device<()>) -> Result<Allocation, Error> {
        let mut allocation = Allocation::default();
        if fault("allocate").as_deref() == Some("escape") {
            allocation.node("/etc/shadow");
        }
        Ok(allocation)
    }
}

/// Commits the fault that is asked for in `call`, or names it where the call commits it itself.
fn fault(call: &str) -> Option<String> {
    let asked = std::env::var(FAULT).ok()?;
    let (place, what) = asked.split_once('=')?;
    if place != call {
        return None;
    }
    match what {
        "panic" => panic!("a fault in {call}"),
        "hang" => loop {
            std::thread::park();
        },
        other => Some(other.to_owned()),
    }
}

export_provider!(Faulty);
