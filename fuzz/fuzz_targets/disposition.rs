//! libFuzzer entry of [`stowage_fuzz::disposition`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stowage_fuzz::disposition(data));
