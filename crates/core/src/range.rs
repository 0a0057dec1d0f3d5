//! The `Range` header (RFC 9110 §14, threat D3).

/// Inclusive byte range inside a file of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Last byte, inclusive.
    pub end: u64,
}

impl ByteRange {
    /// Bytes covered; never zero.
    pub fn length(&self) -> u64 {
        self.end - self.start + 1
    }
    /// Whether both overlap or lie side by side.
    fn touches(&self, other: &Self) -> bool {
        self.start <= other.end.saturating_add(1) && other.start <= self.end.saturating_add(1)
    }
    fn union(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// What a `Range` header asks of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeRequest {
    /// No usable range: send the whole file (200).
    Whole,
    /// One range (206).
    Single(ByteRange),
    /// Several, in the order asked, none overlapping or adjacent after coalescing; at least two (206 multipart/byteranges).
    Multiple(Vec<ByteRange>),
    /// Nothing lies inside the file (416).
    Unsatisfiable,
}

/// Most ranges honoured in one request; more (after parsing) → the whole file.
pub const MAX_RANGES: usize = 32;

/// Reads a header value against a size. Malformed or other units → `Whole`; `bytes=-0` or all beyond the end → `Unsatisfiable`.
pub fn parse(header: &str, size: u64) -> RangeRequest {
    let Some(specifications) = specifications(header) else {
        return RangeRequest::Whole;
    };
    let mut ranges = Vec::new();
    for range in specifications.iter().filter_map(|asked| asked.within(size)) {
        coalesce(&mut ranges, range);
    }
    match ranges.as_slice() {
        [] => RangeRequest::Unsatisfiable,
        [range] => RangeRequest::Single(*range),
        _ => RangeRequest::Multiple(ranges),
    }
}

/// One element of the header, before the size of the file is known.
enum Specification {
    /// `first-` and `first-last`.
    From { first: u64, last: u64 },
    /// `-length`.
    Suffix(u64),
}

impl Specification {
    /// `None` if malformed.
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        if first.is_empty() {
            return Some(Self::Suffix(number(last)?));
        }
        let first = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        (first <= last).then_some(Self::From { first, last })
    }
    /// `None` if no byte of it lies inside the file.
    fn within(&self, size: u64) -> Option<ByteRange> {
        let final_byte = size.checked_sub(1)?;
        match *self {
            Self::Suffix(0) => None,
            Self::Suffix(length) => Some(ByteRange { start: size.saturating_sub(length), end: final_byte }),
            Self::From { first, last } => {
                (first <= final_byte).then(|| ByteRange { start: first, end: last.min(final_byte) })
            }
        }
    }
}

/// Every element; `None` if the header is to be ignored.
fn specifications(header: &str) -> Option<Vec<Specification>> {
    let (unit, list) = header.trim().split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut read = Vec::new();
    // RFC 9110 §5.6.1: empty list elements are tolerated.
    for element in list.split(',').map(trim_blank).filter(|element| !element.is_empty()) {
        if read.len() == MAX_RANGES {
            return None;
        }
        read.push(Specification::parse(element)?);
    }
    (!read.is_empty()).then_some(read)
}

fn trim_blank(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Digits only; what exceeds 64 bits is as good as the largest number.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Adds a range, melting everything it touches into the earliest of them.
fn coalesce(ranges: &mut Vec<ByteRange>, mut range: ByteRange) {
    let mut position = ranges.len();
    while let Some(touching) = ranges.iter().position(|other| other.touches(&range)) {
        range = range.union(ranges.remove(touching));
        position = position.min(touching);
    }
    ranges.insert(position.min(ranges.len()), range);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    #[test]
    fn single_ranges_are_clamped_to_the_file() {
        for (header, expected) in [
            ("bytes=0-0", range(0, 0)),
            ("bytes=10-19", range(10, 19)),
            ("bytes=10-", range(10, 99)),
            ("bytes=-5", range(95, 99)),
            ("bytes=-500", range(0, 99)),
            ("bytes=90-500", range(90, 99)),
            ("bytes=0-99999999999999999999999", range(0, 99)),
            ("Bytes=0-0", range(0, 0)),
            ("bytes= 1-2 , ", range(1, 2)),
            ("bytes=0-9,200-300", range(0, 9)),
        ] {
            assert_eq!(parse(header, 100), RangeRequest::Single(expected), "{header}");
        }
    }

    #[test]
    fn malformed_headers_are_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-1",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=0x1-2",
            "bytes=1",
            "bytes=0-1,x",
            "items=0-1",
            "bytes 0-1",
            "bytes=1 -2",
        ] {
            assert_eq!(parse(header, 100), RangeRequest::Whole, "{header}");
        }
    }

    #[test]
    fn nothing_inside_the_file_is_unsatisfiable() {
        for header in ["bytes=-0", "bytes=100-", "bytes=100-200,300-400", "bytes=18446744073709551616-"] {
            assert_eq!(parse(header, 100), RangeRequest::Unsatisfiable, "{header}");
        }
        assert_eq!(parse("bytes=0-0", 0), RangeRequest::Unsatisfiable);
    }

    #[test]
    fn several_ranges_keep_their_order_and_melt_together() {
        assert_eq!(parse("bytes=50-59,0-9", 100), RangeRequest::Multiple(vec![range(50, 59), range(0, 9)]));
        assert_eq!(parse("bytes=0-4,5-9", 100), RangeRequest::Single(range(0, 9)));
        assert_eq!(parse("bytes=0-0,0-0,0-0", 100), RangeRequest::Single(range(0, 0)));
        assert_eq!(parse("bytes=50-59,0-9,80-89,5-55", 100), RangeRequest::Multiple(vec![range(0, 59), range(80, 89)]));
    }

    #[test]
    fn a_flood_of_ranges_gets_the_whole_file() {
        let flood = |count| format!("bytes={}", vec!["0-0"; count].join(","));
        assert_eq!(parse(&flood(MAX_RANGES), 100), RangeRequest::Single(range(0, 0)));
        assert_eq!(parse(&flood(MAX_RANGES + 1), 100), RangeRequest::Whole);
        assert_eq!(parse(&flood(1000), 100), RangeRequest::Whole);
    }

    /// Bytes of a small file that a request would send.
    fn sent(request: &RangeRequest, size: u64) -> Vec<u64> {
        let ranges = match request {
            RangeRequest::Whole => return (0..size).collect(),
            RangeRequest::Unsatisfiable => return Vec::new(),
            RangeRequest::Single(range) => vec![*range],
            RangeRequest::Multiple(ranges) => ranges.clone(),
        };
        let mut bytes: Vec<u64> = ranges.iter().flat_map(|range| range.start..=range.end).collect();
        bytes.sort_unstable();
        bytes
    }

    proptest! {
        #[test]
        fn exactly_the_asked_bytes_are_sent_once(asked in proptest::collection::vec((0_u64..60, 0_u64..20), 1..12), size in 1_u64..50) {
            let list: Vec<String> = asked.iter().map(|(start, extra)| format!("{start}-{}", start + extra)).collect();
            let request = parse(&format!("bytes={}", list.join(",")), size);
            let wanted: Vec<u64> = (0..size)
                .filter(|byte| asked.iter().any(|(start, extra)| (*start..=start + extra).contains(byte)))
                .collect();
            prop_assert_eq!(sent(&request, size), wanted);
        }

        #[test]
        fn results_lie_inside_the_file_and_apart(header in "(bytes=)?[0-9,\\- ]{0,40}", size in any::<u64>()) {
            if let RangeRequest::Multiple(ranges) = parse(&header, size) {
                prop_assert!(ranges.len() >= 2);
                for (index, range) in ranges.iter().enumerate() {
                    prop_assert!(range.start <= range.end && range.end < size);
                    prop_assert!(ranges[index + 1..].iter().all(|other| !range.touches(other)));
                }
            }
        }

        #[test]
        fn any_header_is_read(header in any::<String>(), size in any::<u64>()) {
            if let RangeRequest::Single(range) = parse(&header, size) {
                prop_assert!(range.start <= range.end && range.end < size);
            }
        }
    }
}
