//! Fuzzes the reader of provider files.
#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    if let Ok(library) = sriovdp_providers::check_elf(file) {
        let length = u64::try_from(file.len()).unwrap_or(u64::MAX);
        assert!(library.loaded.iter().all(|part| part.end <= length));
    }
});
