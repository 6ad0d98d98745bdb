//! Sequences that once went wrong, event by event.

use sriovdp_fake_kubelet::KubeletVersion;

use super::event::Event;
use super::generator::Generator;
use super::simulation::Simulation;
use crate::test_node::RegistrationMode;

/// The same devices belong to other resources in these.
const EARLIER: usize = 0;
const LATER: usize = 5;
/// The resource `c` has a selector for a physical function and one for a driver.
const TWO_SELECTORS: usize = 4;

async fn play(sequences: &[&[Event]]) {
    for mode in [RegistrationMode::Watcher, RegistrationMode::Register] {
        let mut simulation = Simulation::begin(mode, KubeletVersion::V1_37).await;
        let mut generator = Generator::new(1);
        for events in sequences {
            if let Err(difference) = simulation.sequence(events, &mut generator).await {
                panic!("{mode:?}: {events:?} ended in\n{difference}");
            }
        }
        simulation.end().await;
    }
}

/// Nothing else happens on the node, and no pool is left that waits for the pod.
#[tokio::test]
async fn device_of_a_withdrawn_resource_is_offered_when_its_pod_ends() {
    play(&[
        &[Event::Configure(EARLIER)],
        &[Event::RunPod(0)],
        &[Event::Configure(LATER)],
        &[Event::DeletePod(0)],
    ])
    .await;
}

#[tokio::test]
async fn removed_pod_device_is_forgotten_when_the_pod_ends() {
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
async fn pod_device_without_matching_selector_is_unhealthy_after_a_restart() {
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
async fn unreadable_attribute_of_a_new_device_is_read_again() {
    let gone: &[Event] = &[Event::Unplug(4)];
    let hidden: &[Event] = &[Event::Plug(4, "vfio-pci"), Event::Hide(4, "numa_node")];
    let mut sequences: Vec<&[Event]> = vec![&[Event::Configure(EARLIER)]];
    sequences.extend([gone, hidden].repeat(6));
    play(&sequences).await;
}
