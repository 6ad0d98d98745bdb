//! Fuzzes `sriovdp_agent::fuzzing::http2_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sriovdp_agent::fuzzing::http2_frames(bytes));
