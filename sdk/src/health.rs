//! Health checks: what keeps a device from new pods.
//!
//! A health check is a part of [`discover`](crate::Provider::discover), which the host repeats. A device with a
//! [`Finding`] stays in its pool, no new pod gets it, and the pods that have it keep it.
//!
//! ```
//! use sriovdp_sdk::health::check_userspace_nodes;
//! use sriovdp_sdk::prelude::*;
//! use sriovdp_sdk::{Finding, FindingKind};
//!
//! fn state(node: &Node, function: &PciFunction) -> Option<Finding> {
//!     let problem = match node.pci(function.address).attribute("acme/state").as_deref() {
//!         Some("ready") => return None,
//!         Some(state) => format!("the card reports the state `{state}`"),
//!         None => "the state of the card cannot be read".to_owned(),
//!     };
//!     Some(Finding::new(FindingKind::Other, problem))
//! }
//!
//! fn device(node: &Node, function: &PciFunction) -> Device<()> {
//!     let findings = [state(node, function), check_userspace_nodes(node, function)];
//!     Device::of(function, ()).with_findings(findings)
//! }
//! ```
//!
//! The reason is a sentence about the device, for the log and for `sriovdp explain`; the [`FindingKind`] is what a
//! resource can exclude by its key `health`. A finding must not depend on something that a pod takes away, such as a
//! network interface that moves into the namespace of the pod.
//!
//! What matters only to resources with certain selectors, such as the missing device node of something that only they
//! hand out, is [`Provider::findings`](crate::Provider::findings). A selector that does not match is no finding: that is
//! the result of [`matches`](crate::Provider::matches), with [`Mismatch::unreadable`](crate::Mismatch::unreadable)
//! for what cannot be read while a pod has the device.

pub use crate::uplink::check_uplink;
pub use crate::userspace::check_userspace_nodes;
pub use crate::{Finding, FindingKind};
