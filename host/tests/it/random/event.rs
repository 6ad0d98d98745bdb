//! What can happen to a plugin.

use super::generator::Generator;
use super::node::{CONFIGURATIONS, DEVICES, DRIVERS, PFS};

#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Unplug(usize),
    /// A device comes back, or is bound to another driver.
    Plug(usize, &'static str),
    /// An attribute of a function that is there cannot be read for a while.
    Hide(usize, &'static str),
    /// A physical function gains or loses its link.
    Link(usize, bool),
    Configure(usize),
    /// The configuration is no JSON for a while.
    BreakConfiguration,
    RemoveConfiguration,
    AddProvider(&'static str),
    RemoveProvider(&'static str),
    RestartKubelet,
    StopKubelet,
    StartKubelet,
    DeleteSocket(usize),
    DeleteAllSockets,
    CancelStream(usize),
    /// The kubelet refuses every registration for a while.
    Refuse,
    RunPod(usize),
    DeletePod(usize),
    Outcome,
    /// Longer than a device that has left stays in the list.
    AMinute,
}

pub(super) const ATTRIBUTES: [&str; 3] = ["vendor", "numa_node", "class"];
/// `broken` is no library; the others may join the one that is always there, `mellanox-rdma` to extend it.
pub(super) const PROVIDERS: [&str; 4] =
    ["accelerator", "aux-net-device", "mellanox-rdma", "broken"];

/// Any event. What concerns devices is the most frequent, as it is on nodes.
pub(super) fn any(generator: &mut Generator) -> Event {
    let device = generator.below(DEVICES);
    // More than there are pools: some events find nothing to happen to.
    let pool = generator.below(5);
    match generator.below(43) {
        0..=6 => Event::Unplug(device),
        7..=14 => Event::Plug(device, generator.pick(&DRIVERS)),
        15..=16 => Event::Hide(device, generator.pick(&ATTRIBUTES)),
        17..=20 => Event::Configure(generator.below(CONFIGURATIONS.len())),
        21 => Event::BreakConfiguration,
        22 => Event::RemoveConfiguration,
        23 => Event::AddProvider(generator.pick(&PROVIDERS)),
        24 => Event::RemoveProvider(generator.pick(&PROVIDERS)),
        25 => Event::RestartKubelet,
        26 => Event::StopKubelet,
        27 => Event::StartKubelet,
        28 => Event::DeleteSocket(pool),
        29 => Event::DeleteAllSockets,
        30 => Event::CancelStream(pool),
        31 => Event::Refuse,
        32..=33 => Event::RunPod(pool),
        34..=35 => Event::DeletePod(generator.below(3)),
        36 => Event::AMinute,
        37..=39 => Event::Link(generator.below(PFS), generator.one_in(2)),
        _ => Event::Outcome,
    }
}
