//! The values of the headers of tus 1.0, read strictly. Pure.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use stowage_uploads::Checksum;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Largest length: what the catalogue keeps.
const LONGEST: u64 = i64::MAX as u64;

/// What is wrong with a header's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not what the protocol says.
    #[error("{0}")]
    Malformed(&'static str),
    /// A length that no file can have.
    #[error("no file is longer than {LONGEST} bytes")]
    TooLong,
}

/// `Upload-Length`, `Upload-Offset`: digits and nothing else.
pub fn length(text: &str) -> Result<u64, HeaderError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HeaderError::Malformed("it must be a whole number of bytes, written in digits"));
    }
    text.parse().ok().filter(|length| *length <= LONGEST).ok_or(HeaderError::TooLong)
}

/// `Upload-Defer-Length`: only `1`.
pub fn defer_length(text: &str) -> Result<(), HeaderError> {
    if text == "1" { Ok(()) } else { Err(HeaderError::Malformed("it must be 1")) }
}

/// `Upload-Metadata`: what a client tells about its file, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, Vec<u8>)>);

impl Metadata {
    /// Reads `key base64,key base64`; a value may be left out, a key may not come twice.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        let mut pairs: Vec<(String, Vec<u8>)> = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        for pair in text.split(',') {
            let pair = pair.trim_matches(' ');
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(HeaderError::Malformed("each pair is a key, a space and a base64 text"));
            }
            if pairs.iter().any(|(known, _)| known == key) {
                return Err(HeaderError::Malformed("a key comes twice"));
            }
            let value = BASE64.decode(value).map_err(|_| HeaderError::Malformed("a value is not base64"))?;
            pairs.push((key.to_owned(), value));
        }
        Ok(Self(pairs))
    }

    /// The first of these keys that has a text which is not empty.
    pub fn text(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| {
            let (_, value) = self.0.iter().find(|(known, _)| known == key)?;
            std::str::from_utf8(value).ok().filter(|text| !text.is_empty())
        })
    }

    /// All pairs.
    pub fn pairs(&self) -> &[(String, Vec<u8>)] {
        &self.0
    }
}

/// `Upload-Concat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concat {
    /// A piece of a later file.
    Partial,
    /// The file of these uploads, in order.
    Final(Vec<String>),
}

impl Concat {
    /// Reads `partial` or `final;URL URL`; what stands behind `/tus/` in a URL is the id of an upload of this server.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        if text == "partial" {
            return Ok(Self::Partial);
        }
        let urls = text
            .strip_prefix("final;")
            .ok_or(HeaderError::Malformed("it must be `partial`, or `final;` and the URLs of partial uploads"))?;
        let ids: Option<Vec<String>> = urls.split_ascii_whitespace().map(upload_of).collect();
        match ids {
            Some(ids) if !ids.is_empty() => Ok(Self::Final(ids)),
            _ => Err(HeaderError::Malformed("it must name the URLs of partial uploads of this server")),
        }
    }
}

fn upload_of(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let (before, id) = path.rsplit_once('/')?;
    let is_ours = before == "tus" || before.ends_with("/tus");
    (is_ours && !id.is_empty()).then(|| id.to_owned())
}

/// `Upload-Checksum`: algorithm, a space, the digest in base64.
pub fn checksum(text: &str) -> Result<Checksum, HeaderError> {
    let (algorithm, digest) =
        text.split_once(' ').ok_or(HeaderError::Malformed("it must be an algorithm, a space and a base64 text"))?;
    let digest = BASE64.decode(digest).map_err(|_| HeaderError::Malformed("the digest is not base64"))?;
    Checksum::new(algorithm, digest)
        .ok_or(HeaderError::Malformed("use sha1, md5, sha256 or crc32, with a digest of the length that it gives"))
}

/// `Content-Digest` (RFC 9530): the SHA-256 among the digests; other algorithms say nothing here.
pub fn content_digest(text: &str) -> Result<Option<Checksum>, HeaderError> {
    let mut digests = text.split(',').filter_map(|member| member.trim().split_once('='));
    let Some((_, digest)) = digests.find(|(algorithm, _)| *algorithm == "sha-256") else { return Ok(None) };
    let digest = digest.strip_prefix(':').and_then(|digest| digest.strip_suffix(':'));
    let digest =
        digest.and_then(|digest| BASE64.decode(digest).ok()).and_then(|digest| Checksum::new("sha256", digest));
    digest.map(Some).ok_or(HeaderError::Malformed("the digest must be sha-256=:BASE64:"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_digits_and_nothing_else() {
        assert_eq!(length("0"), Ok(0));
        assert_eq!(length("0042"), Ok(42));
        assert_eq!(length("9223372036854775807"), Ok(LONGEST));
        for text in ["", "-1", "+5", " 5", "5 ", "1e9", "0x10", "5,5", "٣", "1.0"] {
            assert!(matches!(length(text), Err(HeaderError::Malformed(_))), "{text:?}");
        }
        for text in ["9223372036854775808", "18446744073709551616", "99999999999999999999999999"] {
            assert_eq!(length(text), Err(HeaderError::TooLong), "{text:?}");
        }
        assert!(defer_length("1").is_ok() && defer_length("0").is_err() && defer_length("").is_err());
    }

    #[test]
    fn metadata_are_pairs_of_keys_and_base64() {
        let read =
            Metadata::parse("filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==, is_confidential,type YQ").expect("pairs");
        assert_eq!(read.text(&["name", "filename"]), Some("world_domination_plan.pdf"));
        assert_eq!(read.text(&["is_confidential"]), None);
        assert_eq!((read.text(&["type"]), read.pairs().len()), (Some("a"), 3));
        assert_eq!(Metadata::parse(" "), Ok(Metadata::default()));
        for text in ["a YQ==,a YQ==", "a YQ==,", ",", "a Y Q", "a ?", "a YQ==;b YQ==", "é YQ=="] {
            assert!(Metadata::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn partial_uploads_are_named_by_their_urls() {
        let id = "0123456789abcdef0123456789abcdef";
        let expected = Ok(Concat::Final(vec![id.to_owned(), id.to_owned()]));
        assert_eq!(Concat::parse(&format!("final;/tus/{id} https://a.example:8080/tus/{id}?key=x")), expected);
        assert_eq!(Concat::parse(&format!("final; tus/{id}  /behind/a/proxy/tus/{id}/")), expected);
        assert_eq!(Concat::parse("partial"), Ok(Concat::Partial));
        for text in
            ["", "final", "final;", "final;  ", "Partial", "final;/files/a", "final;/tus/", "final;a", "partial;"]
        {
            assert!(Concat::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn checksums_name_algorithm_and_digest() {
        assert_eq!(checksum("crc32 DUoRhQ=="), checksum("CRC32 DUoRhQ"));
        assert!(checksum("crc32 DUoRhQ==").is_ok() && checksum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").is_ok());
        for text in ["", "sha1", "sha1 ", "sha512 DUoRhQ==", "sha1 DUoRhQ==", "crc32  DUoRhQ==", "crc32 ????"] {
            assert!(checksum(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn content_digests_are_read_by_algorithm() {
        let digest = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=";
        let told = content_digest(&format!("sha-512=:YQ==:, sha-256=:{digest}:")).expect("well formed");
        assert_eq!(told, checksum(&format!("sha256 {digest}")).ok());
        assert_eq!(content_digest("sha-512=:YQ==:"), Ok(None));
        assert!(content_digest("sha-256=YQ==").is_err() && content_digest("sha-256=:YQ==:").is_err());
    }

    proptest! {
        #[test]
        fn written_metadata_come_back(pairs in proptest::collection::btree_map("[!-+.-~]{1,9}", any::<Vec<u8>>(), 1..5)) {
            let written: Vec<String> = pairs.iter().map(|(key, value)| format!("{key} {}", BASE64.encode(value))).collect();
            let read = Metadata::parse(&written.join(",")).expect("written as the protocol says");
            prop_assert_eq!(read.pairs(), pairs.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (length(&text), Metadata::parse(&text), Concat::parse(&text), checksum(&text), content_digest(&text));
        }
    }
}
