//! The one font that is always there.

/// DejaVu Sans, a TrueType font.
pub(crate) static FONT: &[u8] = include_bytes!("../assets/DejaVuSans.ttf");
