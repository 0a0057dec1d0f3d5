//! What can go wrong, and how little of it is told to the public.

/// Why a fetch failed. `Display` is the one public text; `Debug` and [`FetchError::detail`] are for the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", kind.public_text())]
pub struct FetchError {
    kind: FetchErrorKind,
    detail: String,
}

/// What kind of failure, for the status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchErrorKind {
    /// Not an http(s) URL that can be read (400 names the parameter).
    InvalidUrl,
    /// Address, port, scheme or redirect not permitted.
    Forbidden,
    /// Larger than allowed (413).
    TooLarge,
    /// Everything else: refused, unreachable, timed out, error status, truncated.
    Failed,
}

impl FetchErrorKind {
    /// Forbidden and failed read alike, so that nobody can map a network by the answers (threat A18).
    fn public_text(self) -> &'static str {
        match self {
            Self::InvalidUrl => "the url is not a valid http or https URL",
            Self::TooLarge => "the file behind the url is too large",
            Self::Forbidden | Self::Failed => "Could not fetch the url",
        }
    }
}

impl FetchError {
    pub(crate) fn invalid_url(detail: impl Into<String>) -> Self {
        Self::new(FetchErrorKind::InvalidUrl, detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(FetchErrorKind::Forbidden, detail)
    }

    pub(crate) fn too_large(limit: u64) -> Self {
        Self::new(FetchErrorKind::TooLarge, format!("body is larger than {limit} bytes"))
    }

    pub(crate) fn failed(detail: impl Into<String>) -> Self {
        Self::new(FetchErrorKind::Failed, detail)
    }

    fn new(kind: FetchErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// The kind.
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }

    /// The cause, for the log only.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}
