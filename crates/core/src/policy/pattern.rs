//! Regular expressions of policies: linear time, bounded size, anchored (threat I3).

use super::PolicyError;
use regex::{Regex, RegexBuilder};

/// Longest expression, bytes.
const MAX_PATTERN_BYTES: usize = 1024;
/// Largest compiled expression, bytes: fifty Unicode word characters (`\w{1,50}`) fit, read forwards and backwards; nested repetitions fail early.
const MAX_COMPILED_BYTES: usize = 4 * 1024 * 1024;

/// An expression that matches from the start of a text, and to its end if `whole`.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn compile(key: &'static str, expression: &str, whole: bool) -> Result<Self, PolicyError> {
        let refuse = || {
            PolicyError::Malformed(format!(
                "the key `{key}` is not a regular expression of at most {MAX_PATTERN_BYTES} bytes"
            ))
        };
        if expression.len() > MAX_PATTERN_BYTES {
            return Err(refuse());
        }
        let build = |expression: &str| {
            RegexBuilder::new(expression).size_limit(MAX_COMPILED_BYTES).build().map_err(|_| refuse())
        };
        // Alone first: `a)|(?:b` is no expression, but would become one between the brackets below and shed the anchors.
        build(expression)?;
        let end = if whole { r"\z" } else { "" };
        build(&format!(r"\A(?:{expression}){end}")).map(Self)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}
