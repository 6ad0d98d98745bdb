//! Fuzzes the parser of the kubelet's checkpoint.
#![no_main]

use sriovdp_kubelet::PodDevices;

libfuzzer_sys::fuzz_target!(|text: &[u8]| drop(PodDevices::from_checkpoint(text)));
