//! Targets for request bodies: they arrive in pieces, and how they are cut must make no difference.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use stowage_server::{
    http::ApiError,
    ingest::{
        base64::Decoder,
        multipart::{self, FormLimits},
    },
};

const LIMITS: FormLimits = FormLimits { max_fields: 20, max_field_bytes: 200 };

/// Inputs up to this size meet no limit that depends on how they are cut.
const COMPARABLE: usize = 16 * 1024;

/// A form, read to its end.
#[derive(Debug, PartialEq, Eq)]
struct WholeForm {
    fields: Vec<(String, String)>,
    file: Option<WholeFile>,
}

/// Hints and bytes of a form's file.
#[derive(Debug, PartialEq, Eq)]
struct WholeFile {
    name: Option<String>,
    media_type: Option<String>,
    content: Vec<u8>,
}

/// Input: a byte that says how the body is cut, the boundary, a line feed, the body.
/// However it is cut, the same is read; nothing is read that the form does not hold, and a form without end has no file.
pub fn multipart(data: &[u8]) {
    let Some((&cut, data)) = data.split_first() else { return };
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (Ok(boundary), body) = (std::str::from_utf8(&data[..end]), &data[end + 1..]) else { return };
    let in_one = form(boundary, body, body.len());
    let in_pieces = form(boundary, body, usize::from(cut));
    if body.len() <= COMPARABLE {
        assert_eq!(in_one.as_ref().ok(), in_pieces.as_ref().ok(), "cut into pieces of {cut}");
    }
    for read in [in_one, in_pieces] {
        match read {
            Err(error) => assert_polite(&error),
            Ok(form) => assert_sound(&form, boundary, body),
        }
    }
}

fn assert_sound(form: &WholeForm, boundary: &str, body: &[u8]) {
    assert!(form.fields.len() <= LIMITS.max_fields);
    let is_inside = |part: &[u8]| part.is_empty() || body.windows(part.len()).any(|window| window == part);
    for (_, value) in &form.fields {
        assert!(value.len() <= LIMITS.max_field_bytes && is_inside(value.as_bytes()));
    }
    if let Some(file) = &form.file {
        assert!(is_inside(&file.content));
        // A quoted parameter may escape characters of the boundary.
        let end = format!("--{boundary}--");
        assert!(boundary.contains(['\\', '"']) || is_inside(end.as_bytes()), "a file without a closing boundary");
    }
}

fn form(boundary: &str, body: &[u8], piece: usize) -> Result<WholeForm, ApiError> {
    let pieces: Vec<_> = body.chunks(piece.max(1)).map(|piece| Ok(piece.to_vec().into())).collect();
    // The reader waits once after each piece, and looks a few times at what it holds.
    let patience = 4 * pieces.len() + 4 * LIMITS.max_fields + 100;
    let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
    run(patience + body.len(), async {
        let form = multipart::read(&content_type, stream::iter(pieces).boxed(), LIMITS).await?;
        let file = match form.file {
            None => None,
            Some(file) => {
                let content = file.content.try_fold(Vec::new(), async |mut content, chunk| {
                    content.extend_from_slice(&chunk);
                    Ok(content)
                });
                Some(WholeFile { name: file.name_hint, media_type: file.type_hint, content: content.await? })
            }
        };
        Ok(WholeForm { fields: form.fields.pairs().to_vec(), file })
    })
}

/// Runs a future whose input never waits: one that does not end within so many polls never will.
fn run<T>(patience: usize, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..patience {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the reader waits for ever");
}

/// Input: a byte that says where the text is cut, the text.
/// However it is cut, the same is decoded, and of every four characters come three bytes.
pub fn base64(data: &[u8]) {
    let Some((&cut, text)) = data.split_first() else { return };
    let in_one = decode(text, text.len());
    let in_pieces = decode(text, usize::from(cut));
    assert_eq!(in_one.as_ref().ok(), in_pieces.as_ref().ok(), "cut into pieces of {cut}");
    match in_one {
        Err(error) => assert_polite(&error),
        Ok(decoded) => {
            let longest = text.len().div_ceil(4) * 3;
            assert!(decoded.len() <= longest, "{} bytes of {} characters", decoded.len(), text.len());
            let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
            if !text.trim_ascii_start().starts_with(b"data:") {
                assert_eq!(decoded.len(), text.iter().filter(is_digit).count() * 3 / 4);
            }
        }
    }
}

fn decode(text: &[u8], piece: usize) -> Result<Vec<u8>, ApiError> {
    let mut decoder = Decoder::default();
    let mut decoded = Vec::new();
    for piece in text.chunks(piece.max(1)) {
        decoded.extend(decoder.push(piece)?);
    }
    decoded.extend(decoder.finish()?);
    Ok(decoded)
}

/// It is the client's fault, and said in a few words.
fn assert_polite(error: &ApiError) {
    assert!(error.status.is_client_error(), "{error:?}");
    assert!((1..300).contains(&error.message.len()), "{error:?}");
}
