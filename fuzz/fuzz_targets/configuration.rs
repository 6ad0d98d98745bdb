//! Fuzzes `sriovdp_agent::fuzzing::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sriovdp_agent::fuzzing::configuration(bytes));
