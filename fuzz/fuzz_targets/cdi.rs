//! Fuzzes `sriovdp_host::fuzzing::cdi`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sriovdp_host::fuzzing::cdi(bytes));
