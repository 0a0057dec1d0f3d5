//! `Content-Disposition`: reading what clients and origins send, writing what browsers understand (RFC 6266, RFC 8187; threat B8).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// How a browser should treat a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Show it.
    Inline,
    /// Save it.
    Attachment,
}

/// Everything but the `attr-char` of RFC 8187 §3.2.1.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The `filename*` (preferred) or `filename` parameter of a header value, decoded; `None` if absent or unreadable. Never panics on hostile text.
/// Of a parameter given twice the first counts.
pub fn filename_of(header: &str) -> Option<String> {
    let parameters = parameters(header);
    let first =
        |name: &str| parameters.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    first("filename*")
        .and_then(|value| extended(value))
        .or_else(|| first("filename").cloned())
        .filter(|name| !name.is_empty())
}

/// A header value such as `inline; filename="a.jpg"`; quotes and backslashes escaped, and, when the name is not plain ASCII, an ASCII fallback plus `filename*=UTF-8''…`.
/// The result is always visible ASCII (with spaces); control characters become `_`.
pub fn header_value(disposition: Disposition, filename: &str) -> String {
    let word = match disposition {
        Disposition::Inline => "inline",
        Disposition::Attachment => "attachment",
    };
    let printable = filename.replace(char::is_control, "_");
    let fallback =
        printable.replace(|character: char| !character.is_ascii(), "_").replace('\\', "\\\\").replace('"', "\\\"");
    if printable.is_ascii() {
        return format!("{word}; filename=\"{fallback}\"");
    }
    let encoded = utf8_percent_encode(&printable, ENCODED);
    format!("{word}; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

/// The `name=value` parts of the header, unquoted; everything else is passed over.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let mut rest = header;
    while !rest.is_empty() {
        let end = rest.find(['=', ';']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        if rest[end..].starts_with('=') {
            let (value, behind) = value(rest[end + 1..].trim_start());
            parameters.push((name.to_owned(), value));
            rest = behind;
        } else {
            rest = &rest[end..];
        }
        let next = rest.find(';').map_or(rest.len(), |semicolon| semicolon + 1);
        rest = &rest[next..];
    }
    parameters
}

/// A token or quoted string and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim_end().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[position + 1..]),
            // Only `\"` and `\\` are escapes: old browsers send whole Windows paths unescaped.
            '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            _ => value.push(character),
        }
    }
    (value, "")
}

/// `charset'language'percent-encoded` of RFC 8187.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    let decoded = percent_decode_str(encoded);
    if charset.eq_ignore_ascii_case("utf-8") {
        decoded.decode_utf8().ok().map(Into::into)
    } else if charset.eq_ignore_ascii_case("iso-8859-1") {
        Some(decoded.map(char::from).collect())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_read_from_real_headers() {
        for (header, name) in [
            ("attachment; filename=\"a.jpg\"", Some("a.jpg")),
            ("form-data; name=\"fileUpload\"; filename=\"a;b=c.jpg\"", Some("a;b=c.jpg")),
            ("attachment; filename=plain.txt", Some("plain.txt")),
            ("attachment;filename = plain.txt ;x=y", Some("plain.txt")),
            ("attachment; FileName=\"a \\\"b\\\" \\\\.txt\"", Some("a \"b\" \\.txt")),
            ("attachment; filename=\"C:\\dir\\photo.jpg\"", Some("C:\\dir\\photo.jpg")),
            ("attachment; filename=\"x.txt\"; filename*=UTF-8''na%C3%AFve.txt", Some("naïve.txt")),
            ("attachment; filename*=utf-8'en'%E2%82%AC; filename=x", Some("€")),
            ("attachment; filename*=ISO-8859-1''%A3.txt", Some("£.txt")),
            ("attachment; filename*=UTF-8''%FF; filename=x", Some("x")),
            ("attachment; filename*=KOI8-R''a; filename=x", Some("x")),
            ("attachment; filename=first; filename=second", Some("first")),
            ("attachment; filename=\"naïve.txt\"", Some("naïve.txt")),
            ("filename=bare.txt", Some("bare.txt")),
            ("attachment; filename=\"open", Some("open")),
            ("attachment; filename=\"\"", None),
            ("attachment; filename", None),
            ("inline", None),
            ("", None),
        ] {
            assert_eq!(filename_of(header).as_deref(), name, "{header}");
        }
    }

    #[test]
    fn names_are_written_for_every_browser() {
        for (name, header) in [
            ("a.jpg", "inline; filename=\"a.jpg\""),
            ("a \"b\"\\.txt", "inline; filename=\"a \\\"b\\\"\\\\.txt\""),
            ("naïve 1.txt", "inline; filename=\"na_ve 1.txt\"; filename*=UTF-8''na%C3%AFve%201.txt"),
            ("a\r\nSet-Cookie: x", "inline; filename=\"a__Set-Cookie: x\""),
        ] {
            assert_eq!(header_value(Disposition::Inline, name), header);
        }
        assert_eq!(header_value(Disposition::Attachment, "x"), "attachment; filename=\"x\"");
    }

    proptest! {
        #[test]
        fn written_names_read_back_and_stay_visible_ascii(name in any::<String>()) {
            let header = header_value(Disposition::Attachment, &name);
            prop_assert!(header.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            let printable = name.replace(char::is_control, "_");
            prop_assert_eq!(filename_of(&header).unwrap_or_default(), printable);
        }

        #[test]
        fn hostile_headers_are_read_without_panic(header in any::<String>(), tail in "[;=\"\\\\*'%a-f]{0,30}") {
            let _ = filename_of(&header);
            let _ = filename_of(&format!("attachment; filename{tail}"));
        }
    }
}
