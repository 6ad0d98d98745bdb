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
//! One node lives through all sequences of a test, so a mistake may also take many of them. `SRIOVDP_SEED` repeats a
//! failure, which prints it; `SRIOVDP_SECONDS` makes the test as long as one likes. Time is not waited for: the clock of the runtime
//! is set forward whenever only time can bring a change.

mod devices;
mod dice;
mod event;
mod life;
mod node;
mod told;

use std::time::{Duration, Instant};

use sriovdp_fake_kubelet::KubeletVersion;

use crate::world::Way;

use dice::Dice;
use life::Life;

/// Of each test, unless so many seconds are wanted. With four tests these are two thousand.
const SEQUENCES: usize = 500;

#[tokio::test]
async fn sequences_of_events_watcher_1_36() {
    play(Way::Watcher, KubeletVersion::V1_36).await;
}

#[tokio::test]
async fn sequences_of_events_watcher_1_37() {
    play(Way::Watcher, KubeletVersion::V1_37).await;
}

#[tokio::test]
async fn sequences_of_events_register_1_36() {
    play(Way::Register, KubeletVersion::V1_36).await;
}

#[tokio::test]
async fn sequences_of_events_register_1_37() {
    play(Way::Register, KubeletVersion::V1_37).await;
}

/// Plays its sequences, or as many as fit into the time; the same seed plays the same ones.
async fn play(way: Way, version: KubeletVersion) {
    let number = |name| Some(std::env::var(name).ok()?.parse::<u64>().expect("a number"));
    let seed = number("SRIOVDP_SEED").unwrap_or_else(dice::any_seed);
    let time = number("SRIOVDP_SECONDS").map(Duration::from_secs);
    let begin = Instant::now();
    let mut dice = Dice::new(seed);
    let mut life = Life::begin(way, version).await;
    let mut sequences = 0;
    while time.map_or(sequences < SEQUENCES, |time| begin.elapsed() < time) {
        let length = 1 + dice.below(8);
        let events: Vec<_> = (0..length).map(|_| event::any(&mut dice)).collect();
        if let Err(difference) = life.sequence(&events, &mut dice).await {
            panic!(
                "after {sequences} sequences with SRIOVDP_SEED={seed}, {events:#?} ended in\n{difference}"
            );
        }
        sequences += 1;
    }
    assert!(sequences > 0);
    life.end().await;
}
