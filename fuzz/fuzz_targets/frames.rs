//! Fuzzes `sriovdp_host::fuzzing::http2_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sriovdp_host::fuzzing::http2_frames(bytes));
