//! What the clients know about the bytes of one upload.
//!
//! Every write has a version, and every byte the versions that it may have: those that no acknowledged write has certainly come
//! after. A write without an answer stays possible until the server is dead.

use std::{collections::BTreeSet, ops::Range};

use super::Random;

/// Number of a write, from 1 on; [`ABSENT`] stands for a byte that never came.
pub(super) type Version = usize;

const ABSENT: Version = 0;

#[derive(Debug)]
struct Write {
    range: Range<usize>,
    begun: u64,
    /// When it had certainly taken effect, or certainly never would.
    ended: Option<u64>,
    /// It counts as a whole or not at all.
    whole: bool,
}

#[derive(Clone, Debug)]
struct Span {
    range: Range<usize>,
    possible: BTreeSet<Version>,
}

#[derive(Debug)]
pub(super) struct Model {
    seed: u64,
    now: u64,
    writes: Vec<Write>,
    /// Without gaps, from the first byte to the last.
    spans: Vec<Span>,
}

impl Model {
    pub(super) fn new(seed: u64, size: usize) -> Self {
        let nothing = Write { range: 0..size, begun: 0, ended: Some(0), whole: false };
        let spans = vec![Span { range: 0..size, possible: BTreeSet::from([ABSENT]) }];
        Self { seed, now: 0, writes: vec![nothing], spans: if size == 0 { Vec::new() } else { spans } }
    }

    pub(super) fn size(&self) -> usize {
        self.spans.last().map_or(0, |span| span.range.end)
    }

    /// The bytes that a version puts there; no two versions put the same.
    pub(super) fn content(&self, version: Version, range: Range<usize>) -> Vec<u8> {
        // Each word depends on its position only, so that a piece of a range is the same as the piece alone.
        let aligned = range.start / 8 * 8;
        let word =
            |position: usize| Random(self.seed ^ (version as u64) << 48 ^ (position as u64) << 4).next().to_le_bytes();
        let content: Vec<u8> = (aligned..range.end).step_by(8).flat_map(word).collect();
        content[range.start - aligned..range.end - aligned].to_vec()
    }

    /// A write that is about to be sent, and its bytes.
    pub(super) fn begin(&mut self, range: Range<usize>, whole: bool) -> (Version, Vec<u8>) {
        self.now += 1;
        let version = self.writes.len();
        self.writes.push(Write { range: range.clone(), begun: self.now, ended: None, whole });
        for span in self.spans_in(range.clone()) {
            span.possible.insert(version);
        }
        (version, self.content(version, range))
    }

    /// The bytes of a write are there for ever, unless others come after them.
    pub(super) fn acknowledge(&mut self, version: Version) {
        self.end(version);
        let Write { begun, ref range, .. } = self.writes[version];
        let range = range.clone();
        let earlier: Vec<bool> =
            self.writes.iter().map(|write| write.ended.is_some_and(|ended| ended < begun)).collect();
        for span in self.spans_in(range) {
            span.possible.retain(|other| !earlier[*other]);
            span.possible.insert(version);
        }
    }

    /// A write was refused: it never takes effect.
    pub(super) fn withdraw(&mut self, version: Version) {
        let range = self.writes[version].range.clone();
        for span in self.spans_in(range) {
            span.possible.remove(&version);
        }
        self.end(version);
    }

    /// A write has taken effect, or never will.
    pub(super) fn end(&mut self, version: Version) {
        self.now += 1;
        self.writes[version].ended.get_or_insert(self.now);
    }

    /// The server is dead: nothing is on its way any more.
    pub(super) fn die(&mut self) {
        self.now += 1;
        for write in &mut self.writes {
            write.ended.get_or_insert(self.now);
        }
    }

    /// The server says that everything before `offset` has arrived.
    pub(super) fn has_arrived(&mut self, offset: usize) {
        for span in self.spans_in(0..offset) {
            span.possible.remove(&ABSENT);
            assert!(!span.possible.is_empty(), "the server claims bytes that nobody sent: {span:?}");
        }
    }

    /// Bytes from the first one on that are certainly there.
    pub(super) fn certain_prefix(&self) -> usize {
        let missing = self.spans.iter().find(|span| span.possible.contains(&ABSENT));
        missing.map_or(self.size(), |span| span.range.start)
    }

    /// Nothing can be missing.
    pub(super) fn is_whole(&self) -> bool {
        self.certain_prefix() == self.size()
    }

    /// Something is certainly missing.
    pub(super) fn is_short(&self) -> bool {
        self.spans.iter().any(|span| span.possible.iter().eq([&ABSENT]))
    }

    /// Ranges that may be missing.
    pub(super) fn missing(&self) -> Vec<Range<usize>> {
        let spans = self.spans.iter().filter(|span| span.possible.contains(&ABSENT));
        spans.map(|span| span.range.clone()).collect()
    }

    /// Compares a file with what it may be.
    pub(super) fn check(&self, content: &[u8]) {
        assert_eq!(content.len(), self.size(), "the file has another length");
        let found: Vec<_> = self.spans.iter().flat_map(|span| self.runs(span, content)).collect();
        for (_, version) in &found {
            let write = &self.writes[*version];
            let torn = found.iter().find(|(range, other)| {
                let inside = range.start < write.range.end && write.range.start < range.end;
                inside && write.whole && self.writes[*other].ended.is_some_and(|ended| ended < write.begun)
            });
            assert_eq!(torn, None, "write {version} of {:?} counts in part only", write.range);
        }
    }

    /// Whose bytes a span has: those of one write, or of several if one broke off in the middle.
    fn runs(&self, span: &Span, content: &[u8]) -> Vec<(Range<usize>, Version)> {
        let Span { range, possible } = span;
        let candidates = possible.iter().filter(|version| **version != ABSENT);
        let candidates: Vec<_> = candidates.map(|version| (*version, self.content(*version, range.clone()))).collect();
        let mut runs = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let alike = |bytes: &[u8]| {
                let pairs = bytes[start - range.start..].iter().zip(&content[start..range.end]);
                pairs.take_while(|(sent, found)| sent == found).count()
            };
            let best = candidates.iter().map(|(version, bytes)| (alike(bytes), *version)).max();
            let (length, version) = best.filter(|(length, _)| *length > 0).unwrap_or_else(|| {
                let is = |version: &Version| self.content(*version, start..range.end)[0] == content[start];
                let known: Vec<_> = (1..self.writes.len()).filter(is).collect();
                panic!("from byte {start} of {range:?} on: write {known:?}, and could be {possible:?}")
            });
            runs.push((start..start + length, version));
            start += length;
        }
        runs
    }

    /// The spans of a range, cut to it.
    fn spans_in(&mut self, range: Range<usize>) -> impl Iterator<Item = &mut Span> {
        self.cut(range.start);
        self.cut(range.end);
        self.spans.iter_mut().filter(move |span| range.start <= span.range.start && span.range.end <= range.end)
    }

    fn cut(&mut self, position: usize) {
        let inside = |span: &Span| span.range.start < position && position < span.range.end;
        if let Some(index) = self.spans.iter().position(inside) {
            let mut rest = self.spans[index].clone();
            rest.range.start = position;
            self.spans[index].range.end = position;
            self.spans.insert(index + 1, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(model: &Model, content: &[u8]) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| model.check(content))).is_err()
    }

    #[test]
    fn the_model_knows_what_may_be_and_what_may_not() {
        let mut model = Model::new(1, 100);
        assert!(model.is_short() && !model.is_whole());
        let (first, old) = model.begin(0..100, true);
        assert!(!model.is_short() && !model.is_whole());
        model.acknowledge(first);
        assert!(model.is_whole());
        model.check(&old);
        let (second, new) = model.begin(10..20, true);
        let mixed = [&old[..10], &new, &old[20..]].concat();
        // In doubt: either, but no mixture.
        model.check(&old);
        model.check(&mixed);
        let torn = [&old[..10], &new[..5], &old[15..]].concat();
        model.acknowledge(second);
        model.check(&mixed);
        assert!(refuses(&model, &old), "an acknowledged write is lost");
        assert!(refuses(&model, &torn), "a write is torn");
        assert!(refuses(&model, &mixed[1..]), "a byte is lost");
    }
}
