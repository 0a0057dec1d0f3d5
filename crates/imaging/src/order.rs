//! A job as text, for a worker in another process.

use serde::{Deserialize, Serialize};
use stowage_core::{delivery, tasks::Chain};

use crate::{ImageError, Inputs, Outcome, Settings, run};

/// What is asked for. The files come beside it: the sources first, then the overlays.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The steps, in canonical form.
    pub chain: String,
    /// How many of the files are sources.
    pub sources: usize,
    /// How it is to be done.
    pub settings: Settings,
}

/// What is told of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its media type.
    pub media_type: String,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs.
    pub kind: RefusalKind,
    /// The public text.
    pub message: String,
}

/// Kinds of [`ImageError`] that a client can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalKind {
    /// Not a picture, or a broken one.
    Input,
    /// Nothing does this, or not with this picture.
    Conversion,
    /// The source has too many pixels, frames or bytes.
    TooLarge,
    /// The result would have.
    OutputTooLarge,
    /// A value does not fit this picture.
    Parameter,
}

impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Self {
        let kind = match error {
            ImageError::UnsupportedInput | ImageError::Broken(_) => RefusalKind::Input,
            ImageError::Unsupported(_) | ImageError::Missing(_) => RefusalKind::Conversion,
            ImageError::TooLarge(_) => RefusalKind::TooLarge,
            ImageError::OutputTooLarge => RefusalKind::OutputTooLarge,
            ImageError::Parameter { .. } => RefusalKind::Parameter,
        };
        Self { kind, message: error.to_string() }
    }
}

impl Order {
    /// Does what is asked for.
    ///
    /// # Errors
    /// As [`run()`].
    pub fn carry_out(&self, files: &[&[u8]]) -> Result<Outcome, ImageError> {
        // Written by the server itself: what does not fit can only be an order of another version.
        let unreadable = || ImageError::Unsupported("the order cannot be read".to_owned());
        let path = delivery::parse(&format!("/{}/", self.chain), None).map_err(|_| unreadable())?;
        let chain = Chain::read(&path.tasks).map_err(|_| unreadable())?;
        let (sources, overlays) = files.split_at_checked(self.sources).ok_or_else(unreadable)?;
        run(Inputs { sources, overlays }, &chain, &self.settings)
    }
}
