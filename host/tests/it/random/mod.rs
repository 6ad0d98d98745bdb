//! Random events of every kind against the real loop of looks, its real tasks and the fake kubelet, in one process.
//!
//! A *sequence* is a handful of events: devices come, go, are rebound and hide attributes, links come and go, the configuration changes
//! and breaks, provider files come and go, the kubelet restarts, cancels, refuses and deletes, pods begin and end. Then
//! everything is left in peace, and
//!
//! * the kubelet has exactly what a plugin would show that starts now,
//! * no device may be given out by two pools, at any look, and
//! * no rule of the kubelet was broken.
//!
//! One node lives through all sequences of a seed, so a mistake may also take many of them. Without more, a few fixed seeds
//! are played, which makes each run the same. `SRIOVDP_SEEDS=20` plays so many fresh seeds in each test, and
//! `SRIOVDP_SEED` repeats one; `SRIOVDP_SEQUENCES` says how many sequences of each, `SRIOVDP_SECONDS` how long. Each seed is
//! printed. Time is not waited for: the clock of the runtime is set forward whenever only time can bring a change.

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

/// Of each seed that is not fixed, unless another number or a time is asked for.
const SEQUENCES: usize = 500;

/// A seed, and how many of its sequences are played.
type Play = (u64, usize);

/// Each of these seeds once ended in a fault with its last sequence.
const WATCHER_1_36: &[Play] = &[(248_842_490_604_452, 352), (92_002_258_070_862, 6)];
const WATCHER_1_37: &[Play] = &[(191_035_363_469_984, 322)];
const REGISTER_1_36: &[Play] = &[(161_803_398_874_989, 235), (1_853_061_712_326, 175)];
const REGISTER_1_37: &[Play] = &[(2_779_600_183_380, 303)];

#[tokio::test]
async fn sequences_of_events_watcher_1_36() {
    play(
        RegistrationMode::Watcher,
        KubeletVersion::V1_36,
        WATCHER_1_36,
    )
    .await;
}

#[tokio::test]
async fn sequences_of_events_watcher_1_37() {
    play(
        RegistrationMode::Watcher,
        KubeletVersion::V1_37,
        WATCHER_1_37,
    )
    .await;
}

#[tokio::test]
async fn sequences_of_events_register_1_36() {
    play(
        RegistrationMode::Register,
        KubeletVersion::V1_36,
        REGISTER_1_36,
    )
    .await;
}

#[tokio::test]
async fn sequences_of_events_register_1_37() {
    play(
        RegistrationMode::Register,
        KubeletVersion::V1_37,
        REGISTER_1_37,
    )
    .await;
}

/// Plays the seeds that the environment asks for, or else the `fixed` ones, and fails with all that went wrong.
async fn play(mode: RegistrationMode, version: KubeletVersion, fixed: &[Play]) {
    let number = |name| Some(std::env::var(name).ok()?.parse::<u64>().expect("a number"));
    let sequences = number("SRIOVDP_SEQUENCES").map(|n| usize::try_from(n).expect("a number"));
    let time = number("SRIOVDP_SECONDS").map(Duration::from_secs);
    let of = |seed| (seed, sequences.unwrap_or(SEQUENCES));
    let plays: Vec<Play> = match (number("SRIOVDP_SEED"), number("SRIOVDP_SEEDS")) {
        (Some(seed), _) => vec![of(seed)],
        (None, Some(count)) => (0..count).map(|_| of(generator::any_seed())).collect(),
        (None, None) => fixed.to_vec(),
    };
    let mut failures = Vec::new();
    for (seed, sequences) in plays {
        tell(&format!("{mode:?} {version:?}: SRIOVDP_SEED={seed}"));
        if let Err(failure) = play_seed(mode, version, seed, sequences, time).await {
            tell(&failure);
            failures.push(failure);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The same seed plays the same sequences.
async fn play_seed(
    mode: RegistrationMode,
    version: KubeletVersion,
    seed: u64,
    sequences: usize,
    time: Option<Duration>,
) -> Result<(), String> {
    let begin = Instant::now();
    let mut generator = Generator::new(seed);
    let mut simulation = Simulation::begin(mode, version).await;
    let mut played = 0;
    while time.map_or(played < sequences, |time| begin.elapsed() < time) {
        let length = 1 + generator.below(8);
        let events: Vec<_> = (0..length).map(|_| event::any(&mut generator)).collect();
        if let Err(difference) = simulation.sequence(&events, &mut generator).await {
            return Err(format!(
                "after {played} sequences with SRIOVDP_SEED={seed}, {events:#?} ended in\n{difference}"
            ));
        }
        played += 1;
    }
    simulation.end().await;
    Ok(())
}

/// Says something that is seen although the test passes.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
