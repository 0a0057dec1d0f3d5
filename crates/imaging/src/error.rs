//! What can go wrong with a picture.

/// Why there is no result; `Display` is the public text of a 400 (spec 10 §7).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The bytes are no picture of a kind that can be read.
    #[error("Unsupported input format")]
    UnsupportedInput,
    /// The task cannot be done with this picture, or not into this format; the text says why.
    #[error("Unsupported conversion: {0}")]
    Unsupported(String),
    /// The bytes begin as a picture but are broken; the text says where, in the decoder's words.
    #[error("Unsupported input format: the image is broken ({0})")]
    Broken(String),
    /// More pixels, frames or bytes than [`crate::Limits`] let through.
    #[error("image is too large: {0}")]
    TooLarge(String),
    /// The result would be larger than [`crate::Limits`] let through.
    #[error("Output size limit exceeded")]
    OutputTooLarge,
    /// A value fits its type but not this picture.
    #[error("invalid parameter `{parameter}` for `{task}` task")]
    Parameter {
        /// Canonical name of the task.
        task: &'static str,
        /// Canonical name of the parameter.
        parameter: &'static str,
    },
    /// An optional engine is not installed; the text names it.
    #[error("Unsupported conversion: {0} is not installed on this server")]
    Missing(&'static str),
}
