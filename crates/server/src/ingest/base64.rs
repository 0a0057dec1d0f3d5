//! Streaming base64 decoding for `base64decode=true` (spec 01 §1.1): line breaks, a `data:…;base64,` prefix and both alphabets are tolerated.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::ContentStream;
use crate::http::ApiError;

/// Longest `data:` prefix that is looked for, bytes.
const MAX_PREFIX: usize = 256;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a stream of base64 text.
pub fn decode(content: ContentStream) -> ContentStream {
    let decoder = Decoder::default();
    stream::try_unfold((content, Some(decoder)), async |(mut content, decoder)| {
        let Some(mut decoder) = decoder else { return Ok(None) };
        loop {
            match content.next().await {
                Some(chunk) => {
                    let decoded = decoder.push(&chunk?)?;
                    if !decoded.is_empty() {
                        return Ok(Some((Bytes::from(decoded), (content, Some(decoder)))));
                    }
                }
                None => return Ok(Some((Bytes::from(decoder.finish()?), (content, None)))),
            }
        }
    })
    .boxed()
}

/// Keeps what does not fill a group of four characters until more comes.
#[derive(Default)]
pub struct Decoder {
    prefix_read: bool,
    pending: Vec<u8>,
    padded: bool,
}

impl Decoder {
    /// Takes text, gives the bytes it completes.
    pub fn push(&mut self, text: &[u8]) -> Result<Vec<u8>, ApiError> {
        for &byte in text {
            match byte {
                b'-' => self.pending.push(b'+'),
                b'_' => self.pending.push(b'/'),
                // Also before the prefix: what is kept must not grow with the blanks in front of it.
                byte if byte.is_ascii_whitespace() && (self.prefix_read || self.pending.is_empty()) => {}
                byte => self.pending.push(byte),
            }
        }
        if !self.prefix_read && !self.read_prefix(false) {
            return Ok(Vec::new());
        }
        let usable = self.pending.len() / 4 * 4;
        let rest = self.pending.split_off(usable);
        let group = std::mem::replace(&mut self.pending, rest);
        self.decode(&group)
    }

    /// Decodes what is left.
    pub fn finish(mut self) -> Result<Vec<u8>, ApiError> {
        self.read_prefix(true);
        let rest = std::mem::take(&mut self.pending);
        self.decode(&rest)
    }

    /// Drops a `data:` prefix once it is known whether there is one.
    fn read_prefix(&mut self, at_end: bool) -> bool {
        if self.prefix_read {
            return true;
        }
        let text = self.pending.trim_ascii_start();
        let could_be_prefix = text.starts_with(b"data:") || (text.len() < 5 && b"data:".starts_with(text));
        let comma = text.iter().take(MAX_PREFIX).position(|byte| *byte == b',');
        let kept = match comma {
            // Without `;base64` the colon stays, and is refused.
            Some(comma) if text.starts_with(b"data:") && text[..comma].ends_with(b";base64") => &text[comma + 1..],
            None if could_be_prefix && text.len() < MAX_PREFIX && !at_end => return false,
            _ => text,
        };
        self.pending = kept.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        self.prefix_read = true;
        true
    }

    fn decode(&mut self, text: &[u8]) -> Result<Vec<u8>, ApiError> {
        let invalid = || ApiError::invalid_body("the content is not base64, although base64decode=true was asked for");
        if text.is_empty() {
            return Ok(Vec::new());
        }
        if self.padded {
            return Err(invalid());
        }
        self.padded = text.ends_with(b"=");
        ENGINE.decode(text).map_err(|_| invalid())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_in(chunks: &[&[u8]]) -> Result<Vec<u8>, ApiError> {
        let mut decoder = Decoder::default();
        let mut decoded = Vec::new();
        for chunk in chunks {
            decoded.extend(decoder.push(chunk)?);
        }
        decoded.extend(decoder.finish()?);
        Ok(decoded)
    }

    #[test]
    fn prefixes_breaks_and_alphabets() {
        for text in [
            "aGVsbG8gd29ybGQ=",
            "aGVsbG8gd29ybGQ",
            "data:text/plain;base64,aGVsbG8gd29ybGQ=",
            "\r\naGVs\r\nbG8gd29y\nbGQ=\n",
        ] {
            assert_eq!(decode_in(&[text.as_bytes()]).expect(text), b"hello world", "{text}");
            let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(decode_in(&single).expect(text), b"hello world", "{text} byte by byte");
        }
        assert_eq!(decode_in(&[b"-_-_"]).expect("url-safe"), decode_in(&[b"+/+/"]).expect("standard"));
        assert_eq!(decode_in(&[b"data"]).expect("a word, not a prefix"), ENGINE.decode("data").expect("reference"));
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["this is not base64!", "a", "aGVs=bG8", "aGVsbG8=aGVsbG8=", "data:text/plain,hello world", "%%%%"]
        {
            assert!(decode_in(&[text.as_bytes()]).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_bytes(content: Vec<u8>, cut in 0usize..200) {
            let text = ENGINE.encode(&content);
            let cut = cut.min(text.len());
            let (left, right) = text.as_bytes().split_at(cut);
            prop_assert_eq!(decode_in(&[left, right]).expect("valid base64"), content);
        }

        #[test]
        fn hostile_text_never_panics(text: Vec<u8>) {
            let _ = decode_in(&[&text]);
        }
    }
}
