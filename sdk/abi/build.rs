//! Compiles the crate under the package name of interface 1.0.
//!
//! `abi_stable` records the package of each `repr(C)` type and refuses a library whose types are of another package.
//! Interface 1.0 was frozen when these types were a part of the package `sriovdp-sdk`, so for all of 1.x this is their
//! package name. It is read by `env!("CARGO_PKG_NAME")` in code that the derives expand to.

fn main() {
    println!("cargo::rustc-env=CARGO_PKG_NAME=sriovdp-sdk");
    println!("cargo::rerun-if-changed=build.rs");
}
