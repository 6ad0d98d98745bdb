//! Fuzzes `sriovdp_host::fuzzing::checkpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sriovdp_host::fuzzing::checkpoint(bytes));
