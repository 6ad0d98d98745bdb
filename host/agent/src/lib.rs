//! The node agent: configuration, discovery, assignment, pools, the kubelet, and the reconcile loop.
//!
//! The agent has no list of device types. Start reading in [`daemon`], then [`reconcile`].

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "an application is read as a whole, with its private items"
)]

pub mod config;
pub mod daemon;
pub mod device_plugin;
pub mod directory_watcher;
mod event_fields;
pub mod events;
#[doc(hidden)]
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod history;
pub mod host_paths;
pub mod metrics;
pub mod observers;
pub mod output;
pub mod pools;
pub mod reconcile;
pub mod status;
