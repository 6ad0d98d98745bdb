//! Where answers of the kernel come from.

use std::fmt;
use std::path::Path;

use abi_stable::std_types::{ROk, RStr};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::HostRoot;
use sriovdp_provider_abi::HostFunctions;

/// The source of answers.
#[derive(Clone, Copy)]
pub(super) enum Kernel {
    /// The kernel itself, through the host.
    Host(HostFunctions),
    /// Files below the root.
    Files,
}

impl Kernel {
    /// The host queries the machine that it runs on, so only about the root `/`.
    pub(super) fn of(root: &HostRoot, host: Option<HostFunctions>) -> Self {
        match host {
            Some(host) if root.directory() == Path::new("/") => Self::Host(host),
            _ => Self::Files,
        }
    }

    /// The host's answer. There is none from a host without the method or the query, and from one that fails.
    pub(super) fn query<T: DeserializeOwned>(
        self,
        method: &str,
        query: &impl Serialize,
    ) -> Option<T> {
        let Self::Host(host) = self else { return None };
        let query = serde_json::to_string(query).ok()?;
        match (host.call)(RStr::from(method), RStr::from(query.as_str())) {
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
