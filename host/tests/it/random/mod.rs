//! Random events of every kind against the real reconcile loop, its real tasks and the fake kubelet, in one process.
//!
//! A *sequence* is a handful of events: devices come, go, are rebound and hide attributes, links go down and up, the
//! configuration changes and breaks, provider files come and go, the kubelet restarts, cancels, refuses and deletes, pods
//! start and end. Then all faults are undone, and
//!
//! * the kubelet has exactly the pools that a freshly started plugin would publish,
//! * no device was in two pools after any reconcile, and
//! * no rule of the kubelet was violated.
//!
//! One node lives through all sequences of a seed, so a fault may need many of them. By default a fixed seed is run for a
//! few sequences. `SRIOVDP_SEEDS=20` runs so many fresh seeds in each test, and `SRIOVDP_SEED` repeats one;
//! `SRIOVDP_SEQUENCES` is the number of sequences of each, `SRIOVDP_SECONDS` the time. Each seed is printed. Nothing waits for
//! the time: the clock of the runtime is advanced when only time can bring a change.

mod devices;
mod event;
mod generator;
mod node;
mod regressions;
mod simulation;

use std::io::Write;
use std::time::{Duration, Instant};

use sriovdp_fake_kubelet::KubeletVersion;

use crate::test_node::RegistrationMode;

use generator::Generator;
use simulation::Simulation;

/// Of each seed that the environment requests, unless it has a number or a time as well.
const SEQUENCES: usize = 500;

/// Without a request: a seed and its number of sequences.
const DEFAULT: (u64, usize) = (1, 40);

macro_rules! sequences {
    ($($name:ident: $mode:ident $version:ident, recorded: [$($recorded:expr),*];)+) => {
        mod sequences {
            $(#[tokio::test]
            async fn $name() {
                super::run_seeds(super::RegistrationMode::$mode, super::KubeletVersion::$version, &super::requested()).await;
            })+
        }

        /// Each of these seeds once ended in a fault with its last sequence.
        mod recorded {
            $(#[tokio::test]
            #[ignore = "takes minutes: `make test-all`"]
            async fn $name() {
                super::run_seeds(super::RegistrationMode::$mode, super::KubeletVersion::$version, &[$($recorded),*]).await;
            })+
        }
    };
}

sequences! {
    watcher_1_36: Watcher V1_36, recorded: [(248_842_490_604_452, 352), (92_002_258_070_862, 6)];
    watcher_1_37: Watcher V1_37, recorded: [(191_035_363_469_984, 322)];
    register_1_36: Register V1_36, recorded: [(161_803_398_874_989, 235), (1_853_061_712_326, 175)];
    register_1_37: Register V1_37, recorded: [(2_779_600_183_380, 303)];
}

/// The seeds that the environment requests, or else the fixed one, each with its number of sequences.
fn requested() -> Vec<(u64, usize)> {
    let sequences = number("SRIOVDP_SEQUENCES");
    let requested = |seed| {
        let count = sequences.map_or(SEQUENCES, |n| usize::try_from(n).expect("a number"));
        (seed, count)
    };
    match (number("SRIOVDP_SEED"), number("SRIOVDP_SEEDS")) {
        (Some(seed), _) => vec![requested(seed)],
        (None, Some(count)) => (0..count)
            .map(|_| requested(generator::any_seed()))
            .collect(),
        (None, None) => vec![DEFAULT],
    }
}

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().expect("a number"))
}

/// Runs all seeds, and fails with every failure.
async fn run_seeds(mode: RegistrationMode, version: KubeletVersion, seeds: &[(u64, usize)]) {
    let mut failures = Vec::new();
    for &(seed, sequences) in seeds {
        print(&format!("{mode:?} {version:?}: SRIOVDP_SEED={seed}"));
        if let Err(failure) = run_seed(mode, version, seed, sequences).await {
            print(&failure);
            failures.push(failure);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// One seed always makes the same sequences.
async fn run_seed(
    mode: RegistrationMode,
    version: KubeletVersion,
    seed: u64,
    sequences: usize,
) -> Result<(), String> {
    let (begin, time) = (
        Instant::now(),
        number("SRIOVDP_SECONDS").map(Duration::from_secs),
    );
    let mut generator = Generator::new(seed);
    let mut simulation = Simulation::begin(mode, version).await;
    let mut done = 0;
    while time.map_or(done < sequences, |time| begin.elapsed() < time) {
        let length = 1 + generator.below(8);
        let events: Vec<_> = (0..length).map(|_| event::any(&mut generator)).collect();
        if let Err(difference) = simulation.sequence(&events, &mut generator).await {
            return Err(format!(
                "after {done} sequences with SRIOVDP_SEED={seed}, {events:#?} ended in\n{difference}"
            ));
        }
        done += 1;
    }
    simulation.end().await;
    Ok(())
}

/// Prints past the capture of the output, so that it is seen although the test passes.
fn print(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
