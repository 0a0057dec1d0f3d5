//! The `path` option: where in the container a file goes (spec 01 §3, threats B1–B6).

use percent_encoding::percent_decode;

const MAX_BYTES: usize = 1024;

/// A requested storage path, validated: at most 1024 bytes of UTF-8, no control characters, no backslash, no drive letter, no empty, `.` or `..` segment (one leading
/// `/` is stripped, one trailing `/` means folder). Percent-encoded dots and slashes (`%2e`, `%2f`, `%5c`, `%252e`, any case, nested) are refused, because the
/// text has already been decoded once. `/` alone and the empty text mean: no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoragePath {
    text: String,
}

/// Why a path was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidStoragePath(pub &'static str);

impl StoragePath {
    /// Reads a path; `Ok(None)` for the empty path.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidStoragePath> {
        let refuse = |reason| Err(InvalidStoragePath(reason));
        if text.len() > MAX_BYTES {
            return refuse("a path has at most 1024 bytes of UTF-8");
        }
        let text = text.strip_prefix('/').unwrap_or(text);
        if text.is_empty() {
            return Ok(None);
        }
        if text.contains(char::is_control) {
            return refuse("a path holds no control characters");
        }
        // Decoding puts U+FFFD where the request was not UTF-8, for instance an over-long `.` or `/`.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return refuse("a path is valid UTF-8");
        }
        if text.contains('\\') {
            return refuse("a path is written with `/`, not with a backslash");
        }
        if starts_with_drive(text) {
            return refuse("a path does not begin with a drive letter");
        }
        let mut segments = text.strip_suffix('/').unwrap_or(text).split('/');
        if segments.any(|segment| matches!(segment, "" | "." | "..")) {
            return refuse("a path has no empty, `.` or `..` segment");
        }
        if hides_structure(text) {
            return refuse("a path holds no percent-encoded dots, slashes or control characters");
        }
        Ok(Some(Self { text: text.to_owned() }))
    }
    /// Whether it ends in `/`: the object's name is added to it.
    pub fn is_folder(&self) -> bool {
        self.text.ends_with('/')
    }
    /// Without the leading slash; with the trailing one if it is a folder.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn starts_with_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// Whether decoding the text any number of times brings up dots, slashes, control characters or something that is not UTF-8.
fn hides_structure(text: &str) -> bool {
    // None of the counted bytes is part of a percent-encoding, so decoding can only add to them.
    let structural = |bytes: &[u8]| {
        let counts = |byte: &&u8| matches!(byte, b'.' | b'/' | b'\\') || byte.is_ascii_control();
        bytes.iter().filter(counts).count()
    };
    let plain = structural(text.as_bytes());
    let mut encoded = text.as_bytes().to_vec();
    loop {
        let decoded: Vec<u8> = percent_decode(&encoded).collect();
        if structural(&decoded) > plain || std::str::from_utf8(&decoded).is_err() {
            return true;
        }
        if decoded == encoded {
            return false;
        }
        encoded = decoded;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_paths_lose_only_their_leading_slash() {
        for (given, kept, folder) in [
            ("/myfiles/1234.png", "myfiles/1234.png", false),
            ("docs/", "docs/", true),
            ("/a b/", "a b/", true),
            ("file..name.txt", "file..name.txt", false),
            (".hidden/...", ".hidden/...", false),
            ("100% sure/50%.txt", "100% sure/50%.txt", false),
            ("фото/😀.jpg", "фото/😀.jpg", false),
            ("a%20b", "a%20b", false),
        ] {
            let path = StoragePath::parse(given).expect(given).expect("not empty");
            assert_eq!((path.as_str(), path.is_folder()), (kept, folder));
        }
    }

    #[test]
    fn slash_alone_means_no_path() {
        assert_eq!(StoragePath::parse(""), Ok(None));
        assert_eq!(StoragePath::parse("/"), Ok(None));
    }

    #[test]
    fn traversal_is_refused_in_every_spelling() {
        for attack in [
            "..",
            "../../etc/x",
            "/../x",
            "a/../b",
            "a/./b",
            "a/..",
            "..\\..",
            "a\\b",
            "%2e%2e/x",
            "%2E%2E/x",
            ".%2e/x",
            "a%2fb",
            "a%2Fb",
            "a%5cb",
            "%252e%252e/x",
            "%25252e%25252e/x",
            "%%32e%%32e/x",
            "%25%32%65/x",
            ".%00.",
            ".\0.",
            "a%0d%0ab",
            "//",
            "//abs",
            "a//b",
            "a/b//",
            "C:\\x",
            "C:/x",
            "/c:x",
            "\\\\srv\\share",
            "%c0%ae%c0%ae/x",
            "\u{fffd}\u{fffd}/x",
            "a\nb",
            "a\u{7f}b",
            "a\u{85}b",
            &"x".repeat(1025),
        ] {
            assert!(StoragePath::parse(attack).is_err(), "{attack:?}");
        }
    }

    /// Text made mostly of what attackers use.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("."),
            Just(".."),
            Just("/"),
            Just("\\"),
            Just("%"),
            Just("25"),
            Just("2e"),
            Just("2F"),
            Just("5c"),
            Just("%2e"),
            Just("%252E"),
            Just("%00"),
            Just("a"),
            Just("C:"),
            Just("é"),
            Just("%c0%ae"),
            Just("32"),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn accepted_paths_hold_no_traversal_however_often_decoded(text in prop_oneof![any::<String>(), hostile()]) {
            if let Ok(Some(path)) = StoragePath::parse(&text) {
                let mut current = path.as_str().to_owned();
                for _ in 0..8 {
                    prop_assert!(!current.starts_with('/') && !current.contains('\\'));
                    prop_assert!(!current.contains(char::is_control));
                    let segments = current.strip_suffix('/').unwrap_or(&current).split('/');
                    prop_assert!(segments.clone().all(|segment| !matches!(segment, "" | "." | "..")));
                    current = percent_decode(current.as_bytes()).decode_utf8().expect("UTF-8").into_owned();
                }
            }
        }

        #[test]
        fn accepted_paths_are_read_the_same_again(text in hostile()) {
            if let Ok(Some(path)) = StoragePath::parse(&text) {
                prop_assert_eq!(StoragePath::parse(path.as_str()), Ok(Some(path.clone())));
            }
        }
    }
}
