//! Why a configuration is refused, told so that the operator can mend it at once.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Edits up to which another name counts as meant.
const HINT_DISTANCE: usize = 4;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A command line flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => path.display().fmt(formatter),
            Self::Variable(name) => formatter.write_str(name),
            Self::Flag(flag) => formatter.write_str(flag),
        }
    }
}

/// Why a configuration was refused. The text names the setting and what to change, and never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML: {reason} (line {line})", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        reason: String,
        /// First line of the offending text, from 1.
        line: usize,
    },
    /// No such setting or variable.
    #[error("unknown {kind} `{name}`{}{}", place(.file.as_deref()), hint(.nearest.as_deref()))]
    Unknown {
        /// `setting` or `environment variable`.
        kind: &'static str,
        /// What was found.
        name: String,
        /// The file that holds it.
        file: Option<PathBuf>,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A value that its setting does not accept.
    #[error("bad value for `{name}` (from {origin}): {reason}")]
    BadValue {
        /// The setting.
        name: &'static str,
        /// Where the value comes from.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
}

fn place(file: Option<&Path>) -> String {
    file.map(|path| format!(" in {}", path.display())).unwrap_or_default()
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// The parser's own report would quote the line, which may hold a secret.
pub(super) fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    ConfigError::NotToml {
        path: path.to_owned(),
        reason: error.message().to_owned(),
        line: 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count(),
    }
}

/// The candidate that was probably meant.
pub(super) fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    candidates
        .map(|candidate| (edit_distance(name, &candidate), candidate))
        .filter(|(distance, _)| *distance <= HINT_DISTANCE)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in bytes.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in right.bytes().enumerate() {
            let substitution = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = substitution.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
