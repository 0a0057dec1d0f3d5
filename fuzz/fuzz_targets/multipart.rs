//! libFuzzer entry of [`stowage_fuzz::multipart`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stowage_fuzz::multipart(data));
