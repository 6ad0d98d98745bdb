//! Fuzzes `sriovdp_host::fuzzing::elf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sriovdp_host::fuzzing::elf(bytes));
