//! libFuzzer entry of [`stowage_fuzz::policy`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stowage_fuzz::policy(data));
