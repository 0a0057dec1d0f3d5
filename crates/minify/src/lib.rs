//! Smaller style sheets and scripts that mean the same (spec 12 §§9, 10). Text in, text out; knows neither storage nor HTTP.

mod order;
mod script;
mod style;
#[cfg(test)]
mod tests;

pub use order::{Language, Minified, Order};
pub use script::{Options, js};
pub use style::css;

/// Why there is no smaller text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MinifyError {
    /// The bytes are no text.
    #[error("Unsupported input format: the file is not UTF-8 text")]
    NotText,
    /// The text breaks the rules of its language. Both counts begin with 1; columns are characters.
    #[error("Unsupported conversion: syntax error in line {line}, column {column}: {reason}")]
    Syntax {
        /// Line of the error.
        line: usize,
        /// Column of the error.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The text was read, but cannot be written again.
    #[error("Unsupported conversion: {0}")]
    Unwritable(String),
    /// A value that means nothing.
    #[error("invalid parameter `{0}` for `minify_js` task")]
    Parameter(&'static str),
}
