//! Who is asked for what only the kernel can say.

use std::fmt;
use std::path::Path;

use abi_stable::std_types::{ROk, RStr};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::HostRoot;
use sriovdp_provider_abi::HostFunctions;

/// The one that answers for the kernel.
#[derive(Clone, Copy)]
pub(super) enum Kernel {
    /// The kernel itself, through the host.
    Host(HostFunctions),
    /// Files below the root.
    Files,
}

impl Kernel {
    /// The host speaks for the machine that it runs on, so it is asked about the root `/` only.
    pub(super) fn of(root: &HostRoot, host: Option<HostFunctions>) -> Self {
        match host {
            Some(host) if root.directory() == Path::new("/") => Self::Host(host),
            _ => Self::Files,
        }
    }

    /// The host's answer. A host that does not know the method or the question has none, and neither has one that
    /// fails.
    pub(super) fn ask<T: DeserializeOwned>(
        self,
        method: &str,
        question: &impl Serialize,
    ) -> Option<T> {
        let Self::Host(host) = self else { return None };
        let question = serde_json::to_string(question).ok()?;
        match (host.call)(RStr::from(method), RStr::from(question.as_str())) {
            ROk(answer) => serde_json::from_str::<Option<T>>(answer.as_str())
                .ok()
                .flatten(),
            _ => None,
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host(_) => "Host",
            Self::Files => "Files",
        })
    }
}
