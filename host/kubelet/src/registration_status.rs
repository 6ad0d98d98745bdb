//! What has become of a registration, for status pages and probes.

use std::time::SystemTime;

/// The state of one resource's registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrationStatus {
    /// When the kubelet accepted the registration that is in force.
    pub registered_since: Option<SystemTime>,
    /// Whether the kubelet has its `ListAndWatch` stream open.
    pub has_stream: bool,
    /// How often the kubelet has accepted a registration.
    pub registrations: u64,
    /// Why the last attempt failed, what the next one waits for, or why the last registration was lost; nothing once the
    /// kubelet accepts another one.
    pub last_error: Option<String>,
}

impl RegistrationStatus {
    /// Whether the kubelet has accepted the registration, and follows the device list.
    pub fn is_registered(&self) -> bool {
        self.registered_since.is_some() && self.has_stream
    }
}
