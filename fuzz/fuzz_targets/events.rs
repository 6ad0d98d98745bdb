//! Fuzzes `sriovdp_host::fuzzing::events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sriovdp_host::fuzzing::events(bytes));
