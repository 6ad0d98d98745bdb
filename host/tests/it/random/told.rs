//! Sequences that once went wrong, event by event.

use sriovdp_fake_kubelet::KubeletVersion;

use super::dice::Dice;
use super::event::Event;
use super::life::Life;
use crate::world::Way;

/// The same devices belong to other resources in these.
const EARLIER: usize = 0;
const LATER: usize = 5;
/// The resource `c` has a selector for a physical function and one for a driver.
const TWO_SELECTORS: usize = 4;

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

/// Neither selector fits the device any more, so a plugin that starts must not take one of them for the one that did.
#[tokio::test]
async fn a_device_that_no_selector_can_have_admitted_is_unhealthy_also_after_a_start() {
    play(&[
        &[
            Event::Configure(TWO_SELECTORS),
            Event::Plug(0, "vfio-pci"),
            Event::Unplug(12),
            Event::Unplug(13),
            Event::Unplug(14),
            Event::Unplug(15),
        ],
        &[Event::RunPod(2)],
        &[Event::Plug(0, "iavf")],
        &[Event::Plug(0, "vfio-pci")],
        &[Event::Plug(0, "igbvf"), Event::DeletePod(2)],
    ])
    .await;
}

/// Which of the reconciles comes between the events is up to the dice, so all of them come.
#[tokio::test]
async fn an_attribute_that_could_not_be_read_when_its_device_came_is_read_again() {
    let gone: &[Event] = &[Event::Unplug(4)];
    let hidden: &[Event] = &[Event::Plug(4, "vfio-pci"), Event::Hide(4, "numa_node")];
    let mut sequences: Vec<&[Event]> = vec![&[Event::Configure(EARLIER)]];
    sequences.extend([gone, hidden].repeat(6));
    play(&sequences).await;
}
