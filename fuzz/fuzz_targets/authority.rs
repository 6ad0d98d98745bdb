//! Fuzzes the filter for `:authority` with bytes of a peer.
#![no_main]

mod filtered;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filtered::check(bytes));
