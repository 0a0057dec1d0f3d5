//! Problem types of the IETF draft (§"Problem Types"), as RFC 9457 writes them.

use http::{HeaderValue, Response, header};
use serde_json::{Map, Value};
use stowage_uploads::UploadError;

use super::UPLOAD_OFFSET;
use crate::http::{ApiError, ErrorFormat, ResponseBody};

/// What the draft has a name for.
pub(super) enum Problem {
    /// The request goes on elsewhere than the upload.
    MismatchingOffset {
        /// Of the upload.
        expected: u64,
        /// Of the request.
        provided: u64,
    },
    /// Nothing can be added any more.
    CompletedUpload,
    /// Two lengths for one upload.
    InconsistentLength,
}

impl Problem {
    fn name(&self) -> &'static str {
        match self {
            Self::MismatchingOffset { .. } => "mismatching-upload-offset",
            Self::CompletedUpload => "completed-upload",
            Self::InconsistentLength => "inconsistent-upload-length",
        }
    }

    fn error(&self) -> ApiError {
        match self {
            Self::MismatchingOffset { expected, .. } => UploadError::Offset { expected: *expected }.into(),
            Self::CompletedUpload => {
                let error = ApiError::from(UploadError::Complete);
                ApiError { status: http::StatusCode::BAD_REQUEST, ..error }
            }
            Self::InconsistentLength => ApiError::new(
                http::StatusCode::BAD_REQUEST,
                "upload_length",
                "`Upload-Length`, `Content-Length` and what was said before do not agree on the length of the upload",
            ),
        }
    }

    /// The answer, with the header that goes with it.
    pub(super) fn into_response(self) -> Response<ResponseBody> {
        let error = self.error();
        let mut members = Map::new();
        members.insert(
            "type".to_owned(),
            format!("https://iana.org/assignments/http-problem-types#{}", self.name()).into(),
        );
        members.insert("title".to_owned(), error.message.to_string().into());
        members.insert("code".to_owned(), error.code.into());
        let mut response = error.into_response(ErrorFormat::Json);
        if let Self::MismatchingOffset { expected, provided } = self {
            members.insert("expected-offset".to_owned(), expected.into());
            members.insert("provided-offset".to_owned(), provided.into());
            response.headers_mut().insert(UPLOAD_OFFSET, expected.into());
        }
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.map(|_| ResponseBody::from(Value::Object(members).to_string()))
    }
}
