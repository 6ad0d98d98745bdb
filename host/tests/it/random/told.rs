//! Sequences that once went wrong, event by event.

use sriovdp_fake_kubelet::KubeletVersion;

use super::dice::Dice;
use super::event::Event;
use super::life::Life;
use crate::world::Way;

/// The same devices belong to other resources in these.
const EARLIER: usize = 0;
const LATER: usize = 5;

async fn play(sequences: &[&[Event]]) {
    for way in [Way::Watcher, Way::Register] {
        let mut life = Life::begin(way, KubeletVersion::V1_37).await;
        let mut dice = Dice::new(1);
        for events in sequences {
            if let Err(difference) = life.sequence(events, &mut dice).await {
                panic!("{way:?}: {events:?} ended in\n{difference}");
            }
        }
        life.end().await;
    }
}

/// Nothing else happens on the node, and no pool is left that waits for the pod.
#[tokio::test]
async fn a_device_of_a_withdrawn_resource_is_offered_when_its_pod_has_ended() {
    play(&[
        &[Event::Configure(EARLIER)],
        &[Event::RunPod(0)],
        &[Event::Configure(LATER)],
        &[Event::DeletePod(0)],
    ])
    .await;
}

#[tokio::test]
async fn a_device_that_has_left_with_its_pod_is_forgotten_when_that_has_ended() {
    play(&[
        &[Event::Configure(EARLIER)],
        &[Event::RunPod(0), Event::Unplug(0)],
        &[Event::DeletePod(0)],
        &[Event::Plug(0, "iavf")],
    ])
    .await;
}
