//! Finding the structure of raw text: quotes and brackets hide separators, and each may be percent-encoded (spec 10 §2.2).

/// One `/`, `,`, `"`, `[` or `]`.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) start: usize,
    pub(super) end: usize,
    character: u8,
    /// Written as `%2F` and the like.
    pub(super) encoded: bool,
    /// Stands inside quotes or brackets.
    nested: bool,
}

impl Mark {
    pub(super) fn separates(&self, character: u8) -> bool {
        self.character == character && !self.nested
    }
}

/// Walks over the marks of a text from left to right.
pub(super) struct Marks<'a> {
    bytes: &'a [u8],
    position: usize,
    quoted: bool,
    depth: usize,
}

pub(super) fn marks(raw: &str) -> Marks<'_> {
    Marks { bytes: raw.as_bytes(), position: 0, quoted: false, depth: 0 }
}

impl Marks<'_> {
    fn inside(&self) -> bool {
        self.quoted || self.depth > 0
    }
}

impl Iterator for Marks<'_> {
    type Item = Mark;

    fn next(&mut self) -> Option<Mark> {
        loop {
            let start = self.position;
            let (character, length) = character_at(self.bytes.get(start..)?)?;
            self.position = start + length;
            let nested = self.inside();
            match character {
                b'"' => self.quoted = !self.quoted,
                b'[' if !self.quoted => self.depth += 1,
                b']' if !self.quoted => self.depth = self.depth.saturating_sub(1),
                b'[' | b']' | b',' | b'/' => {}
                _ => continue,
            }
            return Some(Mark { start, end: self.position, character, encoded: length > 1, nested });
        }
    }
}

/// The first byte, percent-decoded, and how many bytes it takes.
fn character_at(bytes: &[u8]) -> Option<(u8, usize)> {
    let hexadecimal = |byte: u8| char::from(byte).to_digit(16);
    match *bytes {
        [b'%', high, low, ..] => {
            let decoded = hexadecimal(high).zip(hexadecimal(low));
            // Two hexadecimal digits fit a byte.
            Some(decoded.map_or((b'%', 1), |(high, low)| ((high * 16 + low) as u8, 3)))
        }
        [byte, ..] => Some((byte, 1)),
        [] => None,
    }
}

/// Whether the text begins with this character, plain or encoded.
pub(super) fn begins_with(raw: &str, character: u8) -> bool {
    character_at(raw.as_bytes()).is_some_and(|(found, _)| found == character)
}

/// The length of the quotation or bracket that the text begins with; `None` if it stays open.
pub(super) fn group_length(raw: &str) -> Option<usize> {
    let mut marks = marks(raw);
    while let Some(mark) = marks.next() {
        if !marks.inside() {
            return Some(mark.end);
        }
    }
    None
}

/// What stands between the given marks if they enclose the whole text.
pub(super) fn enclosed(raw: &str, open: u8, close: u8) -> Option<&str> {
    if !begins_with(raw, open) || group_length(raw)? != raw.len() {
        return None;
    }
    let first = marks(raw).next()?;
    let last = marks(raw).last()?;
    (last.character == close).then(|| &raw[first.end..last.start])
}

/// Pieces between separating commas. A `%2C` separates only where `encoded` says so.
pub(super) fn split_commas(raw: &str, encoded: bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for mark in marks(raw).filter(|mark| mark.separates(b',') && (encoded || !mark.encoded)) {
        pieces.push(&raw[start..mark.start]);
        start = mark.end;
    }
    pieces.push(&raw[start..]);
    pieces
}

/// Without spaces at either end, written as such or as `%20`.
pub(super) fn trim_blank(raw: &str) -> &str {
    let mut trimmed = raw.trim();
    while let Some(shorter) = trimmed.strip_prefix("%20").or_else(|| trimmed.strip_suffix("%20")) {
        trimmed = shorter.trim();
    }
    trimmed
}
