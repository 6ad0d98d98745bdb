//! Files that other programs of the node read.

pub mod device_info;
