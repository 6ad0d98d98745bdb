//! The daemon and command line `sriovdp`, as a library that `main.rs` and the tests tell the story with.
//!
//! It has no list of device types. Start reading in `main.rs`, then `daemon.rs`.

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "an application is read as a whole, with its private items"
)]

pub mod config;
pub mod daemon;
pub mod directory_watcher;
pub mod events;
#[doc(hidden)]
pub mod fuzzing;
pub mod host_paths;
pub mod inventory;
pub mod kubelet;
pub mod output;
pub mod pools;
pub mod reconcile;
