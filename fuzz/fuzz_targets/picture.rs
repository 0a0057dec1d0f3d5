//! libFuzzer entry of [`stowage_fuzz::picture`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stowage_fuzz::picture(data));
