//! libFuzzer entry of [`stowage_fuzz::tus_headers`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stowage_fuzz::tus_headers(data));
