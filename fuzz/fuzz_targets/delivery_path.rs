//! libFuzzer entry of [`stowage_fuzz::delivery_path`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stowage_fuzz::delivery_path(data));
