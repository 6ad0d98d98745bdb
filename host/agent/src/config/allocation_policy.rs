//! The values of `allocationPolicy`.

/// How the devices of one container are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllocationPolicy {
    /// From one NUMA node if it has enough, and there from the physical functions with the most free devices.
    #[default]
    Balanced,
    /// From as few physical functions as possible, so that others stay free.
    Packed,
    /// From as many physical functions as possible, so that a container survives the loss of one.
    Spread,
}

impl AllocationPolicy {
    /// Every policy, by its name in the configuration.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("balanced", Self::Balanced),
        ("packed", Self::Packed),
        ("spread", Self::Spread),
    ];
}
