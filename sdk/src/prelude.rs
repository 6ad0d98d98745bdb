//! What most providers use: `use sriovdp_sdk::prelude::*;`.

pub use crate::{
    Allocation, Context, Device, Discovery, Error, HexId, Manifest, Mismatch, Node, PciFunction,
    Provider, export_provider, one_of, selectors,
};
