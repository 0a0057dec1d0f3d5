//! A multipart form, read from any stream of bytes up to the point where its file begins (spec 01 §1.2, threat D1).

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header;
use multer::{Field, Multipart};
use stowage_core::query::Query;

use super::ContentStream;
use crate::http::ApiError;

/// Bytes that may stand before the first part, or in the head of a part. The reader looks through all of them again with every
/// chunk, so this also bounds the work that a client can cause by sending them one by one.
const MAX_HEAD: usize = 16 * 1024;

/// Bytes of all text fields together, as a multiple of the largest that one of them may have.
const FIELDS_TOGETHER: usize = 16;

/// Longest boundary, characters (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;

/// The field that holds the file.
const FILE_FIELD: &str = "fileUpload";

/// Form fields that would come too late behind the file, because the store is chosen before the first byte is written.
const OPTION_FIELDS: &[&str] = &[
    "key",
    "filename",
    "mimetype",
    "path",
    "container",
    "access",
    "region",
    "base64decode",
    "workflows",
    "location",
    "policy",
    "signature",
];

/// Bounds of a form.
#[derive(Clone, Copy, Debug)]
pub struct FormLimits {
    /// Most parts, the file included.
    pub max_fields: usize,
    /// Largest text field, bytes.
    pub max_field_bytes: usize,
}

/// A form whose file, if it has one, is still to be read.
pub struct MultipartForm {
    /// The text fields before the file.
    pub fields: Query,
    /// `fileUpload`, else the first part that has a file name.
    pub file: Option<FilePart>,
}

/// The part that is to be stored.
pub struct FilePart {
    /// `filename*`, else `filename` of the part; the first of each counts.
    pub name_hint: Option<String>,
    /// `Content-Type` of the part.
    pub type_hint: Option<String>,
    /// Its bytes; ends in an error unless the form ends with its closing boundary.
    pub content: ContentStream,
}

/// Reads a form whose request has this `Content-Type`. Errors: 400 naming what is wrong with the form, or whatever the body ends with.
pub async fn read(content_type: &str, body: ContentStream, limits: FormLimits) -> Result<MultipartForm, ApiError> {
    let boundary = multer::parse_boundary(content_type)
        .ok()
        .filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()))
        .ok_or_else(|| ApiError::invalid_body("multipart/form-data needs a boundary of 1 to 70 characters"))?;
    let mut parts = Parts::new(body, boundary, limits);
    let mut fields = Query::default();
    while let Some(field) = parts.next().await? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == FILE_FIELD || (field.file_name().is_some() && fields.get("url").is_none()) {
            return Ok(MultipartForm { fields, file: Some(file_part(parts, field)) });
        }
        let value = parts.text(field, &name).await?;
        fields.push(name, value);
    }
    Ok(MultipartForm { fields, file: None })
}

fn file_part(mut parts: Parts, field: Field<'static>) -> FilePart {
    parts.took_makeshift = field.name() != Some(FILE_FIELD);
    let text = |name| field.headers().get(name).and_then(|value| value.to_str().ok());
    let name_hint = text(header::CONTENT_DISPOSITION).and_then(stowage_core::disposition::filename_of);
    // A name in raw UTF-8 is no text to the header's type, but multer reads it.
    let name_hint = name_hint.or_else(|| field.file_name().map(str::to_owned));
    let type_hint = text(header::CONTENT_TYPE).map(str::to_owned);
    let content = stream::try_unfold((parts, Some(field)), async |(mut parts, field)| {
        let Some(mut field) = field else { return Ok(None) };
        if let Some(chunk) = parts.chunk(&mut field).await? {
            return Ok(Some((chunk, (parts, Some(field)))));
        }
        drop(field);
        parts.finish().await?;
        Ok(None)
    });
    FilePart { name_hint, type_hint, content: content.boxed() }
}

/// The parts of a form, one after the other, within its limits.
struct Parts {
    multipart: Multipart<'static>,
    taken: Arc<AtomicUsize>,
    parts_left: usize,
    text_left: usize,
    /// The file is not in `fileUpload`, only the first part with a file name.
    took_makeshift: bool,
    limits: FormLimits,
}

impl Parts {
    fn new(body: ContentStream, boundary: String, limits: FormLimits) -> Self {
        let taken = Arc::new(AtomicUsize::new(0));
        let input = Metered { body, taken: taken.clone(), must_wait: false };
        let text_left = limits.max_field_bytes.saturating_mul(FIELDS_TOGETHER);
        Self {
            multipart: Multipart::new(input, boundary),
            taken,
            parts_left: limits.max_fields,
            text_left,
            took_makeshift: false,
            limits,
        }
    }

    async fn next(&mut self) -> Result<Option<Field<'static>>, ApiError> {
        let field = self.multipart.next_field().await.map_err(form_error)?;
        self.taken.store(0, Ordering::Relaxed);
        if field.is_some() {
            let limit = self.limits.max_fields;
            self.parts_left = self
                .parts_left
                .checked_sub(1)
                .ok_or_else(|| ApiError::invalid_body(format!("the form has more than {limit} fields")))?;
        }
        Ok(field)
    }

    async fn chunk(&self, field: &mut Field<'static>) -> Result<Option<Bytes>, ApiError> {
        let chunk = field.chunk().await.map_err(form_error)?;
        self.taken.store(0, Ordering::Relaxed);
        Ok(chunk)
    }

    async fn text(&mut self, mut field: Field<'static>, name: &str) -> Result<String, ApiError> {
        let invalid = |reason: String| {
            // The name is the client's too, and may be long.
            let name: String = name.chars().take(40).collect();
            ApiError::invalid_parameter(&name, reason)
        };
        let limit = self.limits.max_field_bytes;
        let mut text = Vec::new();
        while let Some(chunk) = self.chunk(&mut field).await? {
            text.extend_from_slice(&chunk);
            if text.len() > limit {
                return Err(invalid(format!("a form field may have at most {limit} bytes")));
            }
        }
        self.text_left = self
            .text_left
            .checked_sub(name.len() + text.len())
            .ok_or_else(|| ApiError::invalid_body("the form has too many bytes outside its file"))?;
        String::from_utf8(text).map_err(|_| invalid("it must be UTF-8 text".to_owned()))
    }

    /// Reads to the closing boundary: a form that was cut off is never stored. Nor is one whose `fileUpload` or `url` comes behind
    /// another file that was taken for want of them.
    async fn finish(&mut self) -> Result<(), ApiError> {
        while let Some(field) = self.next().await? {
            let name = field.name().unwrap_or_default().to_owned();
            let is_better = self.took_makeshift && (name == FILE_FIELD || name == "url");
            if is_better || OPTION_FIELDS.iter().any(|option| name.eq_ignore_ascii_case(option)) {
                return Err(ApiError::invalid_parameter(
                    &name,
                    "it stands behind the file; put it in front of it (an option also into the query)",
                ));
            }
            self.skip(field).await?;
        }
        Ok(())
    }

    async fn skip(&mut self, mut field: Field<'static>) -> Result<(), ApiError> {
        while self.chunk(&mut field).await?.is_some() {}
        Ok(())
    }
}

/// The reader's input: one chunk at a time, and not without end while the reader makes nothing of it.
struct Metered {
    body: ContentStream,
    /// Bytes taken since the reader last found a part or gave content.
    taken: Arc<AtomicUsize>,
    must_wait: bool,
}

/// Why the reader's input ended early.
#[derive(Debug, thiserror::Error)]
enum InputError {
    #[error("{}", .0.message)]
    Body(ApiError),
    #[error("the form has more than {MAX_HEAD} bytes before its first boundary or in the head of a part")]
    Head,
}

impl Stream for Metered {
    type Item = Result<Bytes, InputError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The reader buffers until it is told to wait, so tell it after each chunk.
        if std::mem::take(&mut self.must_wait) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.taken.load(Ordering::Relaxed) > MAX_HEAD {
            return Poll::Ready(Some(Err(InputError::Head)));
        }
        let chunk = ready!(self.body.poll_next_unpin(context));
        Poll::Ready(chunk.map(|chunk| {
            let chunk = chunk.map_err(InputError::Body)?;
            self.must_wait = true;
            self.taken.fetch_add(chunk.len(), Ordering::Relaxed);
            Ok(chunk)
        }))
    }
}

fn form_error(error: multer::Error) -> ApiError {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<InputError>().map(|cause| *cause) {
            Ok(InputError::Body(error)) => error,
            Ok(head @ InputError::Head) => ApiError::invalid_body(head.to_string()),
            Err(other) => ApiError::internal(other),
        },
        multer::Error::IncompleteFieldData { .. } | multer::Error::IncompleteStream => ApiError::invalid_body(
            "the multipart form is cut off or does not use the boundary of its Content-Type; it ends with `--boundary--`",
        ),
        // The reader's own texts repeat what the client sent.
        _ => ApiError::invalid_body("the multipart form cannot be read: the head of a part is malformed"),
    }
}
