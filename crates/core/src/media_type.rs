//! Media types: reading, guessing by name, and which of them a browser would run.

use crate::text::{impl_text, impl_text_deserialize};

const MAX_BYTES: usize = 127;

/// `type/subtype`, lower case, no parameters; visible ASCII of RFC 9110 token characters only, at most 127 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaType(String);

/// Where the table of extensions lists several, the one people use.
const USUAL_EXTENSIONS: &[(&str, &str)] = &[
    ("application/gzip", "gz"),
    ("application/javascript", "js"),
    ("application/json", "json"),
    ("application/msword", "doc"),
    ("application/octet-stream", "bin"),
    ("application/pdf", "pdf"),
    ("application/postscript", "ps"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-powerpoint", "ppt"),
    ("application/xhtml+xml", "xhtml"),
    ("application/xml", "xml"),
    ("application/zip", "zip"),
    ("audio/aac", "aac"),
    ("audio/mp4", "m4a"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg"),
    ("image/heic", "heic"),
    ("image/jpeg", "jpg"),
    ("image/svg+xml", "svg"),
    ("image/tiff", "tif"),
    ("text/css", "css"),
    ("text/html", "html"),
    ("text/javascript", "js"),
    ("text/markdown", "md"),
    ("text/plain", "txt"),
    ("text/xml", "xml"),
    ("video/mp4", "mp4"),
    ("video/mpeg", "mpg"),
    ("video/quicktime", "mov"),
    ("video/webm", "webm"),
    ("video/x-matroska", "mkv"),
];

/// Types beside `*/*+xml` that a browser renders as a document with script.
const ACTIVE: &[&str] = &[
    "application/mhtml",
    "application/x-mimearchive",
    "application/xml",
    "message/rfc822",
    "multipart/related",
    "multipart/x-mixed-replace",
    "text/html",
    "text/mhtml",
    "text/rdf",
    "text/xml",
    "text/xsl",
];

impl MediaType {
    /// `application/octet-stream`.
    pub fn octet_stream() -> Self {
        Self("application/octet-stream".to_owned())
    }
    /// `text/plain`.
    pub fn text_plain() -> Self {
        Self("text/plain".to_owned())
    }
    /// Reads `image/PNG; q=1` as `image/png`; CR, LF and other control characters are refused, not stripped. Error: what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        // A tab is legal white space between parameters; any other control character could split a header.
        if text.contains(|character: char| character.is_control() && character != '\t') {
            return Err("a media type holds no control characters");
        }
        let essence = text.split_once(';').map_or(text, |(essence, _)| essence);
        let essence = essence.trim_matches([' ', '\t']);
        if essence.len() > MAX_BYTES {
            return Err("a media type has at most 127 bytes");
        }
        let (kind, subtype) = essence.split_once('/').ok_or("a media type looks like `type/subtype`")?;
        if is_token(kind) && is_token(subtype) {
            Ok(Self(essence.to_ascii_lowercase()))
        } else {
            Err("a media type looks like `type/subtype`, made of letters, digits and `!#$%&'*+-.^_`|~`")
        }
    }
    /// Guesses by the extension of a file name.
    pub fn from_filename(name: &str) -> Option<Self> {
        let guessed = mime_guess::from_path(name).first_raw()?;
        Self::parse(guessed).ok()
    }
    /// The usual extension without dot: `jpg` for `image/jpeg`, `txt` for `text/plain`.
    pub fn extension(&self) -> Option<&'static str> {
        let usual =
            USUAL_EXTENSIONS.iter().find(|(media_type, _)| *media_type == self.0).map(|(_, extension)| *extension);
        let listed = || mime_guess::get_mime_extensions_str(&self.0)?.first().copied();
        usual.or_else(listed)
    }
    /// Whether a browser may run script in it (HTML, XHTML, SVG, XML, XSLT, MHTML; not PDF): such bytes are served in a sandbox (threats F1–F3).
    pub fn is_active(&self) -> bool {
        self.0.ends_with("+xml") || ACTIVE.contains(&self.0.as_str())
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl_text!(MediaType);
impl_text_deserialize!(MediaType, MediaType::parse);

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// `image/png`, `image/*` or `*/*`, or an extension such as `.pdf` (read as the type it stands for).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaTypePattern(String);

impl MediaTypePattern {
    /// Reads a pattern; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if let Some(extension) = text.strip_prefix('.') {
            let guessed = mime_guess::from_ext(extension).first_raw();
            let guessed = guessed.ok_or("no media type is known for this extension")?;
            return Ok(Self(guessed.to_owned()));
        }
        if text.contains(';') {
            return Err("a media type pattern has no parameters");
        }
        let MediaType(pattern) = MediaType::parse(text)?;
        let wildcards_whole = match pattern.split_once('/') {
            Some(("*", subtype)) => subtype == "*",
            Some((kind, "*")) => !kind.contains('*'),
            _ => !pattern.contains('*'),
        };
        if wildcards_whole {
            Ok(Self(pattern))
        } else {
            Err("`*` stands for a whole subtype (`image/*`) or for everything (`*/*`)")
        }
    }
    /// Whether the type fits.
    pub fn matches(&self, media_type: &MediaType) -> bool {
        match self.0.strip_suffix('*') {
            Some("*/") => true,
            Some(kind) => media_type.0.starts_with(kind),
            None => media_type.0 == self.0,
        }
    }
    /// The pattern, extensions already read as types.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl_text!(MediaTypePattern);
impl_text_deserialize!(MediaTypePattern, MediaTypePattern::parse);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn media_type(text: &str) -> MediaType {
        MediaType::parse(text).expect(text)
    }

    #[test]
    fn parameters_and_case_are_dropped() {
        assert_eq!(media_type("image/PNG; q=1").as_str(), "image/png");
        assert_eq!(media_type(" text/plain;\tcharset=utf-8").as_str(), "text/plain");
    }

    #[test]
    fn header_breaking_text_is_refused() {
        for bad in [
            "image/png\r\nX-Evil: 1",
            "image/png;a=\r\nX-Evil: 1",
            "image/\u{0}png",
            "image",
            "/png",
            "image/",
            "image/p ng",
            "image/png/x",
            "imäge/png",
            "",
            &format!("image/{}", "x".repeat(122)),
        ] {
            assert!(MediaType::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_and_types_lead_to_each_other() {
        for (name, text) in [
            ("a.jpg", "image/jpeg"),
            ("A.PDF", "application/pdf"),
            ("notes.txt", "text/plain"),
            ("movie.mp4", "video/mp4"),
            ("drawing.svg", "image/svg+xml"),
            ("a.webp", "image/webp"),
        ] {
            let guessed = MediaType::from_filename(name).expect(name);
            assert_eq!(guessed.as_str(), text);
            let extension = name.rsplit('.').next().expect("an extension");
            assert_eq!(guessed.extension(), Some(extension.to_lowercase().as_str()));
        }
        assert_eq!(MediaType::from_filename("README"), None);
        assert_eq!(media_type("application/x-unheard-of").extension(), None);
    }

    #[test]
    fn script_carriers_are_active() {
        for active in [
            "text/html",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xslt+xml",
            "multipart/related",
            "message/rfc822",
        ] {
            assert!(media_type(active).is_active(), "{active}");
        }
        for passive in ["image/png", "application/pdf", "text/plain", "video/mp4"] {
            assert!(!media_type(passive).is_active(), "{passive}");
        }
    }

    #[test]
    fn patterns_match_whole_type_kind_or_everything() {
        let png = media_type("image/png");
        for (pattern, fits) in [
            ("image/png", true),
            ("IMAGE/*", true),
            ("*/*", true),
            (".png", true),
            ("image/pn", false),
            ("video/*", false),
            (".pdf", false),
        ] {
            let pattern = MediaTypePattern::parse(pattern).expect(pattern);
            assert_eq!(pattern.matches(&png), fits, "{pattern:?}");
        }
        assert!(!MediaTypePattern::parse("image/*").expect("kind").matches(&media_type("imagex/png")));
        for bad in ["", "image", "*", "*/png", "im*/png", "image/p*", ".nosuchext", "image/png;q=1"] {
            assert!(MediaTypePattern::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn accepted_types_are_always_safe_in_a_header(text in "\\PC{0,20}/?[\\x00-\\x7f]{0,20}") {
            if let Ok(accepted) = MediaType::parse(&text) {
                prop_assert!(accepted.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(MediaType::parse(accepted.as_str()), Ok(accepted.clone()));
            }
        }
    }
}
