//! The time limits of a host for the calls of a provider.

use std::time::Duration;

/// How long a reconcile waits for `discover`. After that it continues without the answer, and the pools of the provider
/// keep their devices until it arrives.
pub const DISCOVERY_WAIT: Duration = Duration::from_secs(1);

/// After this time a `discover` has failed.
pub const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// After this time any other call has failed, and so have all `allocate` calls of one Allocate together, for which the
/// kubelet's pod loop waits.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// For the probe of a file: a process that loads it, requests the manifest, and discovers an empty node.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
