//! Formats: what they are called and what they can hold.

use serde::{Deserialize, Serialize};

/// The format of an encoded picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Format {
    Jpeg,
    Png,
    Gif,
    WebP,
    Avif,
    Tiff,
    Bmp,
    Ico,
    Psd,
    Svg,
    Jxl,
    Heic,
    Pdf,
}

impl Format {
    /// By the first bytes; `None` for what is not read as a picture.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            return Some(Self::Jpeg);
        }
        let format = match stowage_media::sniff(bytes)?.as_str() {
            "image/png" => Self::Png,
            "image/gif" => Self::Gif,
            "image/webp" => Self::WebP,
            "image/avif" => Self::Avif,
            "image/tiff" => Self::Tiff,
            "image/bmp" => Self::Bmp,
            "image/x-icon" => Self::Ico,
            "image/vnd.adobe.photoshop" => Self::Psd,
            "image/svg+xml" => Self::Svg,
            "image/jxl" => Self::Jxl,
            "image/heic" | "image/heif" | "image/heic-sequence" | "image/heif-sequence" => Self::Heic,
            _ => return None,
        };
        Some(format)
    }

    /// By the word of `output=format:…`; `None` for what is no picture or cannot be written.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let format = match word {
            "jpg" | "pjpg" => Self::Jpeg,
            "png" => Self::Png,
            "gif" => Self::Gif,
            "webp" => Self::WebP,
            "avif" => Self::Avif,
            "tiff" => Self::Tiff,
            "bmp" => Self::Bmp,
            "svg" => Self::Svg,
            "pdf" => Self::Pdf,
            _ => return None,
        };
        Some(format)
    }

    /// Media type and usual extension.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Jpeg => ("image/jpeg", "jpg"),
            Self::Png => ("image/png", "png"),
            Self::Gif => ("image/gif", "gif"),
            Self::WebP => ("image/webp", "webp"),
            Self::Avif => ("image/avif", "avif"),
            Self::Tiff => ("image/tiff", "tif"),
            Self::Bmp => ("image/bmp", "bmp"),
            Self::Ico => ("image/x-icon", "ico"),
            Self::Psd => ("image/vnd.adobe.photoshop", "psd"),
            Self::Svg => ("image/svg+xml", "svg"),
            Self::Jxl => ("image/jxl", "jxl"),
            Self::Heic => ("image/heic", "heic"),
            Self::Pdf => ("application/pdf", "pdf"),
        }
    }

    /// Whether a result keeps this format when nothing else is asked for; others become PNG or JPEG (spec 11 §0).
    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Gif | Self::WebP | Self::Avif)
    }

    /// Whether it can hold several frames that follow each other.
    pub(crate) fn animates(self) -> bool {
        matches!(self, Self::Png | Self::Gif | Self::WebP | Self::Avif)
    }

    /// Whether it can say what colours its samples mean.
    pub(crate) fn holds_profile(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::WebP | Self::Avif | Self::Tiff)
    }
}
