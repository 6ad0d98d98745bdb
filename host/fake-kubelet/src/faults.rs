//! The lasting faults, as opposed to those that happen once.

use sriovdp_proto::deviceplugin::VERSION;

use crate::config::Authority;

#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) never_answer: bool,
    pub(crate) refuse_registration: Option<String>,
    /// The version of the device plugin API that the kubelet supports.
    pub(crate) version: String,
    pub(crate) authority: Authority,
    /// The size of the pieces of the watcher's calls.
    pub(crate) chunk: Option<usize>,
}

impl Faults {
    pub(crate) fn none(authority: Authority) -> Self {
        Self {
            never_answer: false,
            refuse_registration: None,
            version: VERSION.to_owned(),
            authority,
            chunk: None,
        }
    }
}
