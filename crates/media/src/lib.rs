//! What the bytes of a file say about it. Knows neither storage nor HTTP; every entry takes a bounded slice of hostile bytes.

mod dimensions;
mod exif;
mod markup;
mod sniff;
mod zip;

pub use dimensions::dimensions;
pub use exif::exif;
pub use sniff::sniff;

/// Bytes of a file's beginning that [`sniff()`] wants.
pub const SNIFF_BYTES: usize = 64 * 1024;
/// Largest part of a file that [`exif()`] and [`dimensions()`] want when the beginning is not enough.
pub const PROBE_BYTES: usize = 16 * 1024 * 1024;
