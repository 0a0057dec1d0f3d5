//! File names: any Unicode text that cannot break a header, a key or a terminal.

use crate::text::impl_text;
use percent_encoding::percent_decode_str;

const MAX_BYTES: usize = 255;
/// Longest extension, dot included, that survives cutting a long hint.
const KEPT_EXTENSION_BYTES: usize = 16;

/// A file name, byte-exact as given: 1..=255 bytes of UTF-8, no control characters (CR, LF, NUL, DEL, C1), no `/` or `\`, not only dots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileName(String);

/// Why a name was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidFileName(pub &'static str);

impl FileName {
    /// Strict: what a caller named explicitly (`filename=`). Nothing is altered silently.
    pub fn parse(text: &str) -> Result<Self, InvalidFileName> {
        let refuse = |reason| Err(InvalidFileName(reason));
        if !(1..=MAX_BYTES).contains(&text.len()) {
            return refuse("a file name has 1 to 255 bytes of UTF-8");
        }
        if text.contains(char::is_control) {
            return refuse("a file name holds no control characters");
        }
        if text.contains(['/', '\\']) {
            return refuse("a file name holds no slash or backslash");
        }
        // Decoding puts U+FFFD where the request was not UTF-8: the name is no longer what the caller meant.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return refuse("a file name is valid UTF-8");
        }
        if is_only_dots(text) {
            return refuse("a file name is more than dots");
        }
        Ok(Self(text.to_owned()))
    }
    /// Lenient: hints such as a multipart part's name or a URL's last segment: keeps what follows the last `/` or `\`, drops control
    /// characters, cuts at 255 bytes on a character boundary keeping a short extension; `None` if nothing is left (or only dots).
    pub fn from_hint(text: &str) -> Option<Self> {
        let last = text.rsplit(['/', '\\']).next().unwrap_or(text);
        let printable: String = last.chars().filter(|character| !character.is_control()).collect();
        let name = shorten(printable);
        (!is_only_dots(&name)).then_some(Self(name))
    }
    /// Last path segment of a URL, query stripped, percent-decoded, through [`FileName::from_hint`].
    pub fn from_url(url: &str) -> Option<Self> {
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let path = path.split_once("://").map_or(path, |(_, rest)| rest);
        let (_, last) = path.rsplit_once('/')?;
        Self::from_hint(&percent_decode_str(last).decode_utf8_lossy())
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl_text!(FileName);

/// Also true of the empty text.
fn is_only_dots(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'.')
}

fn shorten(name: String) -> String {
    if name.len() <= MAX_BYTES {
        return name;
    }
    let extension = match name.rfind('.') {
        Some(dot) if name.len() - dot <= KEPT_EXTENSION_BYTES => &name[dot..],
        _ => "",
    };
    let stem = &name[..name.floor_char_boundary(MAX_BYTES - extension.len())];
    format!("{stem}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn explicit_names_are_kept_byte_exact() {
        for name in [
            "hello.txt",
            "file..name.txt",
            "#?%&+;.jpg",
            "photo 😀.png",
            "e\u{301}.txt",
            "\u{e9}.txt",
            "\u{202e}gpj.exe",
            "a.png?x=1",
            " ",
            &"x".repeat(255),
        ] {
            assert_eq!(FileName::parse(name).expect(name).as_str(), name);
        }
    }

    #[test]
    fn dangerous_explicit_names_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "...",
            "a/b",
            "a\\b",
            "a\r\nb",
            "a\0b",
            "a\u{7f}b",
            "a\u{9b}b",
            "a\u{fffd}b",
            &"x".repeat(256),
        ] {
            assert!(FileName::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn hints_lose_directories_and_control_characters() {
        for (hint, name) in [
            ("C:\\Users\\me\\photo.jpg", Some("photo.jpg")),
            ("../../etc/passwd", Some("passwd")),
            ("a\r\nb.txt", Some("ab.txt")),
            ("dir/", None),
            ("..", None),
            ("\u{1}\u{2}", None),
            ("", None),
        ] {
            assert_eq!(FileName::from_hint(hint).as_ref().map(FileName::as_str), name);
        }
    }

    #[test]
    fn long_hints_keep_a_short_extension() {
        let name = FileName::from_hint(&format!("{}.jpeg", "é".repeat(200))).expect("a name");
        assert!(name.as_str().len() <= 255 && name.as_str().ends_with("é.jpeg"));
        let name = FileName::from_hint(&format!("{}.{}", "a".repeat(200), "b".repeat(200)));
        assert_eq!(name.expect("a name").as_str().len(), 255);
    }

    #[test]
    fn urls_give_their_last_segment() {
        for (url, name) in [
            ("https://img.example.com/dir/a.png?x=1/2#frag", Some("a.png")),
            ("https://img.example.com/na%C3%AFve%20name.txt", Some("naïve name.txt")),
            ("https://img.example.com/a%2F..%2Fb.txt", Some("b.txt")),
            ("src://alias/path/c.gif", Some("c.gif")),
            ("https://img.example.com", None),
            ("https://img.example.com/", None),
            ("https://img.example.com/%00", None),
        ] {
            assert_eq!(FileName::from_url(url).as_ref().map(FileName::as_str), name, "{url}");
        }
    }

    proptest! {
        #[test]
        fn every_hint_that_is_kept_would_pass_as_a_header_safe_name(hint in any::<String>()) {
            if let Some(name) = FileName::from_hint(&hint) {
                prop_assert!((1..=255).contains(&name.as_str().len()));
                prop_assert!(!name.as_str().contains(['/', '\\']));
                prop_assert!(!name.as_str().contains(char::is_control));
            }
        }

        #[test]
        fn explicit_names_are_never_altered(text in any::<String>()) {
            if let Ok(name) = FileName::parse(&text) {
                prop_assert_eq!(name.as_str(), &text);
            }
        }
    }
}
