//! The C library libjpeg (in mozjpeg's edition): its objects with owners, its errors as [`crate::ImageError`].

pub(crate) mod entropy;
mod errors;
mod input;
mod output;

pub(crate) use errors::{give_up, guarded};
pub(crate) use input::Decompressor;
pub(crate) use output::Compressor;

/// Most bytes of coefficients, which progressive files need to have in memory: 512 MiB, enough for 85 million pixels without and 170 million
/// with halved colour.
const MAX_COEFFICIENT_BYTES: std::ffi::c_long = 512 << 20;
/// Most scans; cameras and programs write about ten. Each one costs a pass over all coefficients, however few bytes it has.
const MAX_SCANS: std::ffi::c_int = 100;
