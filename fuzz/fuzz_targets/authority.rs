//! Fuzzes `sriovdp_agent::fuzzing::authority`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sriovdp_agent::fuzzing::authority(bytes));
