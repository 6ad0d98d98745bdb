//! The image of `make image` in containers as the manifests describe them: `make image-test`.
//!
//! The tests wait for processes, so the fake kubelet has a thread of its own.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot continue panics with its line"
)]

mod archive;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../it/cargo_build.rs"]
mod cargo_build;
mod image;
mod pod;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../it/repository.rs"]
mod repository;
mod runtime;
mod served;
mod vendors;
mod world;
