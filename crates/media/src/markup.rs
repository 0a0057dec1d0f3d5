//! HTML, XHTML, SVG and XSLT by content: what a browser would take the bytes for matters more than what they claim to be (threats F1–F4).

/// Tags with which an HTML document may begin (WHATWG MIME Sniffing section 7.1).
const HTML_TAGS: &[&str] =
    &["a", "b", "body", "br", "div", "font", "h1", "head", "html", "iframe", "p", "script", "style", "table", "title"];

/// The media type of markup that a browser may run, `None` for any other content.
pub(crate) fn sniff(head: &[u8]) -> Option<&'static str> {
    let text = decode(head);
    let text = text.trim_start();
    let is_xml = strip_prefix(text, "<?xml").is_some();
    let (rest, skipped) = skip_prologue(text)?;
    if let Some(declaration) = strip_prefix(rest, "<!doctype") {
        return match name(declaration.trim_start()).as_str() {
            "svg" => Some("image/svg+xml"),
            "html" if is_xml => Some("application/xhtml+xml"),
            "html" => Some("text/html"),
            _ => None,
        };
    }
    let root = name(rest.strip_prefix('<').unwrap_or_default());
    match root.rsplit(':').next()? {
        "svg" => Some("image/svg+xml"),
        "html" if is_xml => Some("application/xhtml+xml"),
        "stylesheet" | "transform" if is_xml => Some("application/xslt+xml"),
        _ if is_xml => None,
        _ if HTML_TAGS.contains(&root.as_str()) || skipped => Some("text/html"),
        _ => None,
    }
}

/// The text, as far as ASCII goes; a browser obeys the byte order mark of UTF-16.
fn decode(head: &[u8]) -> String {
    let units = |read: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| read(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match head {
        [0xff, 0xfe, rest @ ..] => units(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => units(u16::from_be_bytes, rest),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(head).into_owned(),
    }
}

/// What follows comments and processing instructions, and whether there was a comment. `None` if an instruction does not end.
fn skip_prologue(mut text: &str) -> Option<(&str, bool)> {
    let mut comments = false;
    loop {
        text = text.trim_start();
        text = if let Some(comment) = text.strip_prefix("<!--") {
            comments = true;
            match comment.split_once("-->") {
                Some((_, rest)) => rest,
                // To a browser the rest is a comment of a page.
                None => "",
            }
        } else if let Some(instruction) = text.strip_prefix("<?") {
            instruction.split_once("?>")?.1
        } else {
            return Some((text, comments));
        };
    }
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The lower-case name at the start, if something that ends a name follows.
fn name(text: &str) -> String {
    let end = text.find(|character: char| character.is_ascii_whitespace() || matches!(character, '>' | '/' | '['));
    let name = end.and_then(|end| text.get(..end)).unwrap_or_default();
    name.to_ascii_lowercase()
}
