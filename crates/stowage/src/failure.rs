//! Why a command failed, as one line for the person who typed it.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use stowage_catalogue::CatalogueError;
use stowage_server::{ServeError, config::ConfigError};

/// Why a command failed; the text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The catalogue refused or failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The server could not start or stopped in error.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// No app of that name or key.
    #[error("no app has the name or API key `{0}`; `stowage app list` shows all of them")]
    UnknownApp(String),
    /// A value on the command line that could only be judged later than by clap.
    #[error("bad value for `{option}`: {reason}")]
    Usage {
        /// The option, as typed.
        option: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A local file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// No answer came from the server.
    #[error("{0}")]
    Unreachable(String),
    /// The server's answer was an error.
    #[error("{0}")]
    Answer(String),
    /// Anything else, told in full.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Prints the failure and gives the exit code: 2 for usage errors, like clap's own, otherwise 1.
    pub(crate) fn report(&self) -> ExitCode {
        if let Self::Output(error) = self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            // The reader (`head`, a pager) has seen enough: nobody is left to be told.
            return ExitCode::SUCCESS;
        }
        // A closed standard error leaves the exit code to tell of the failure.
        let _ = writeln!(io::stderr().lock(), "stowage: {self}");
        match self {
            Self::Usage { .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    /// A failure to read or write `path`.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}
