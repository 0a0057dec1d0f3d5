//! A job as text, for a worker in another process.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde::{Deserialize, Serialize};

use crate::{MinifyError, Options, css, js};

/// What is asked for. The text comes beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What the text is.
    pub language: Language,
    /// Whether the result is compressed with gzip.
    pub gzip: bool,
}

/// A language with what may be done to its texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// A style sheet.
    Css {
        /// See [`css()`].
        level: u8,
    },
    /// A script.
    Js(Options),
}

impl Language {
    /// The media type of texts in it.
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::Css { .. } => "text/css",
            Self::Js(_) => "application/javascript",
        }
    }
}

/// A smaller text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minified {
    /// Its bytes, compressed if that was asked for.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
}

impl Order {
    /// Does what is asked for.
    ///
    /// # Errors
    /// As [`css()`] and [`js()`], and of bytes that are no text.
    pub fn carry_out(&self, bytes: &[u8]) -> Result<Minified, MinifyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| MinifyError::NotText)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let smaller = match &self.language {
            Language::Css { level } => css(text, *level)?,
            Language::Js(options) => js(text, options)?,
        };
        let bytes = if self.gzip { compressed(&smaller)? } else { smaller.into_bytes() };
        Ok(Minified { bytes, media_type: self.language.media_type() })
    }
}

fn compressed(text: &str) -> Result<Vec<u8>, MinifyError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    written.map_err(|error| MinifyError::Unwritable(error.to_string()))
}
