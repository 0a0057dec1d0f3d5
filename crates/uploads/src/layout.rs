//! Which bytes of an upload have arrived and where they lie. Pure.
//!
//! An upload is a row of numbered parts; a part is a set of extents, each at a place of the staging file, or it is at the provider.
//! Bytes that were acknowledged are never written over: what comes again gets a place of its own, and replaces the old bytes only
//! when it is complete. Where parts are as regular as clients make them, each lies where it will be in the file, so that the
//! staging file becomes the stored object without a copy.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use serde::{Deserialize, Serialize};
use stowage_store::parts::PartReceipt;

/// Places from here on are for bytes that do not fit where they belong. The staging file is sparse.
const OVERFLOW: u64 = 1 << 40;

/// Most pieces of one part: the smallest chunks of clients make 256 of a regular one, and all of them are written with each change.
const MOST_PIECES: usize = 1024;

/// Most pieces of all parts together, for the memory that they take.
const MOST_PIECES_IN_ALL: usize = 65_536;

/// Bytes of one part in the staging file, as `[start, length, place]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 3]", into = "[u64; 3]")]
pub(crate) struct Extent {
    /// First byte inside the part.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) length: u64,
    /// Offset in the staging file.
    pub(crate) place: u64,
}

impl From<[u64; 3]> for Extent {
    fn from([start, length, place]: [u64; 3]) -> Self {
        Self { start, length, place }
    }
}

impl From<Extent> for [u64; 3] {
    fn from(extent: Extent) -> Self {
        [extent.start, extent.length, extent.place]
    }
}

impl Extent {
    fn end(&self) -> u64 {
        self.start + self.length
    }

    /// The piece of it inside `range`, if there is one.
    fn cut(&self, range: &Range<u64>) -> Option<Self> {
        let start = self.start.max(range.start);
        let end = self.end().min(range.end);
        (start < end).then(|| Self { start, length: end - start, place: self.place + (start - self.start) })
    }
}

/// One part, as it is kept in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// In the staging file.
    Staged {
        /// Sorted, disjoint.
        extents: Vec<Extent>,
        /// Of the whole part, lower-case hex, if it came whole.
        md5: Option<String>,
    },
    /// The provider holds all of it.
    AtProvider {
        /// Bytes.
        size: u64,
        /// Lower-case hex, if it came whole.
        md5: Option<String>,
        /// What the provider answered.
        receipt: String,
    },
}

impl Part {
    /// Bytes from the first one on without a hole.
    pub(crate) fn prefix(&self) -> u64 {
        match self {
            Self::AtProvider { size, .. } => *size,
            Self::Staged { extents, .. } => {
                let mut end = 0;
                for extent in extents {
                    if extent.start != end {
                        break;
                    }
                    end = extent.end();
                }
                end
            }
        }
    }

    /// Bytes up to the last one that arrived.
    pub(crate) fn end(&self) -> u64 {
        match self {
            Self::AtProvider { size, .. } => *size,
            Self::Staged { extents, .. } => extents.last().map_or(0, Extent::end),
        }
    }

    /// Whether it has no hole.
    pub(crate) fn is_whole(&self) -> bool {
        self.prefix() == self.end()
    }

    /// MD5 of a part that came whole.
    pub(crate) fn md5(&self) -> Option<&str> {
        match self {
            Self::AtProvider { md5, .. } | Self::Staged { md5, .. } => md5.as_deref(),
        }
    }

    /// The provider's receipt.
    pub(crate) fn receipt(&self) -> Option<PartReceipt> {
        match self {
            Self::AtProvider { receipt, .. } => Some(PartReceipt::from_catalogue(receipt.clone())),
            Self::Staged { .. } => None,
        }
    }
}

/// A place in the staging file that one writer may fill and nobody else uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reserved {
    /// Offset in the staging file.
    pub(crate) place: u64,
    /// Bytes.
    pub(crate) length: u64,
}

/// All parts of one upload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    slot: Option<u64>,
    parts: BTreeMap<u32, Part>,
    /// Places that acknowledged bytes or writers use: first offset → offset behind the last.
    used: BTreeMap<u64, u64>,
    /// Parts that are being read and have not changed since.
    read: BTreeSet<u32>,
}

impl Layout {
    /// From what the catalogue knows.
    pub(crate) fn restore(slot: Option<u64>, parts: impl IntoIterator<Item = (u32, Part)>) -> Self {
        let mut layout = Self { slot, ..Self::default() };
        for (number, part) in parts {
            if let Part::Staged { extents, .. } = &part {
                extents.iter().for_each(|extent| layout.occupy(extent.place, extent.length));
            }
            layout.parts.insert(number, part);
        }
        layout
    }

    /// Bytes of a regular part, once known.
    pub(crate) fn slot(&self) -> Option<u64> {
        self.slot
    }

    /// Sets the regular size if it is not set; whether it was.
    pub(crate) fn set_slot(&mut self, slot: u64) -> bool {
        let is_new = self.slot.is_none();
        self.slot.get_or_insert(slot.max(1));
        is_new
    }

    /// One part.
    pub(crate) fn part(&self, number: u32) -> Option<&Part> {
        self.parts.get(&number)
    }

    /// All parts in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (u32, &Part)> {
        self.parts.iter().map(|(number, part)| (*number, part))
    }

    /// Bytes that have arrived from the first one on without a hole.
    pub(crate) fn prefix(&self) -> u64 {
        self.position().2
    }

    /// Where bytes that are appended go: part, first byte inside it, first byte of all.
    pub(crate) fn position(&self) -> (u32, u64, u64) {
        let slot = self.slot.unwrap_or(u64::MAX);
        let mut before = 0;
        for number in 1.. {
            let Some(part) = self.parts.get(&number) else { return (number, 0, before) };
            let prefix = part.prefix();
            let at_provider = matches!(part, Part::AtProvider { .. });
            // A short part that came whole is complete if another one follows; one that came in pieces may be waiting for more.
            let may_go_on = part.md5().is_none() || !self.parts.contains_key(&(number + 1));
            let ends_here = prefix < slot && !at_provider && may_go_on;
            if !part.is_whole() || ends_here {
                return (number, prefix, before + prefix);
            }
            before += prefix;
        }
        unreachable!("there are fewer parts than numbers")
    }

    /// Whether one more piece of a part can be kept.
    pub(crate) fn has_room_for_a_piece(&self, number: u32) -> bool {
        let pieces = match self.parts.get(&number) {
            Some(Part::Staged { extents, .. }) => extents.len(),
            _ => 0,
        };
        pieces < MOST_PIECES && self.used.len() < MOST_PIECES_IN_ALL
    }

    /// Bytes of all parts if one of them had `bytes`.
    pub(crate) fn total_with(&self, number: u32, bytes: u64) -> u64 {
        let before = self.parts.get(&number).map_or(0, Part::end);
        (self.total() - before).saturating_add(bytes)
    }

    /// Somebody reads a part from now on.
    pub(crate) fn begin_reading(&mut self, number: u32) {
        self.read.insert(number);
    }

    /// Whether what was read since is what the part is. Comparing places would not do: new bytes may lie where old ones did.
    pub(crate) fn end_reading(&mut self, number: u32) -> bool {
        self.read.remove(&number)
    }

    /// Gives a writer a place for `length` bytes from `start` of a part on: where they belong if that is free.
    pub(crate) fn reserve(&mut self, number: u32, start: u64, length: u64) -> Reserved {
        let place = self.natural(number, start, length).unwrap_or_else(|| self.behind_all());
        self.occupy(place, length);
        Reserved { place, length }
    }

    fn natural(&self, number: u32, start: u64, length: u64) -> Option<u64> {
        let slot = self.slot?;
        let end = start.checked_add(length)?;
        let place = u64::from(number - 1).checked_mul(slot)?.checked_add(start)?;
        let fits = end <= slot && place.checked_add(length)? <= OVERFLOW;
        (fits && self.is_free(place, length)).then_some(place)
    }

    fn behind_all(&self) -> u64 {
        const PAGE: u64 = 4096;
        let end = self.used.last_key_value().map_or(0, |(_, end)| *end);
        end.max(OVERFLOW).next_multiple_of(PAGE)
    }

    fn is_free(&self, place: u64, length: u64) -> bool {
        let before = self.used.range(..place + length).next_back();
        before.is_none_or(|(_, end)| *end <= place)
    }

    fn occupy(&mut self, place: u64, length: u64) {
        if length > 0 {
            self.used.insert(place, place + length);
        }
    }

    /// Gives up a reservation, or what is left of one behind `kept` bytes. Returns the range to be punched out of the file.
    pub(crate) fn release(&mut self, reserved: &Reserved, kept: u64) -> Range<u64> {
        if reserved.length > 0 {
            self.used.remove(&reserved.place);
            self.occupy(reserved.place, kept);
        }
        reserved.place + kept..reserved.place + reserved.length
    }

    /// Takes written bytes in as a whole part. Returns the ranges that nobody needs any more.
    pub(crate) fn put_whole(&mut self, number: u32, reserved: &Reserved, md5: String) -> Vec<Range<u64>> {
        let extents = match reserved.length {
            0 => Vec::new(),
            length => vec![Extent { start: 0, length, place: reserved.place }],
        };
        self.replace(number, Part::Staged { extents, md5: Some(md5) })
    }

    /// The provider holds a part now. Returns the ranges that nobody needs any more.
    pub(crate) fn put_at_provider(
        &mut self,
        number: u32,
        size: u64,
        md5: Option<String>,
        receipt: &PartReceipt,
    ) -> Vec<Range<u64>> {
        self.replace(number, Part::AtProvider { size, md5, receipt: receipt.as_str().to_owned() })
    }

    fn replace(&mut self, number: u32, part: Part) -> Vec<Range<u64>> {
        self.read.remove(&number);
        match self.parts.insert(number, part) {
            Some(Part::Staged { extents, .. }) => extents.iter().map(|extent| self.free(extent)).collect(),
            _ => Vec::new(),
        }
    }

    /// Takes written bytes in as a piece of a part; later bytes win over earlier ones. Returns the ranges that nobody needs any more.
    pub(crate) fn put_piece(&mut self, number: u32, start: u64, length: u64, place: u64) -> Vec<Range<u64>> {
        if length == 0 {
            return Vec::new();
        }
        self.read.remove(&number);
        let old = match self.parts.remove(&number) {
            Some(Part::Staged { extents, .. }) => extents,
            _ => Vec::new(),
        };
        let new = Extent { start, length, place };
        let mut extents = vec![new];
        let mut freed = Vec::new();
        for extent in old {
            // The neighbours of a piece keep their places in the book of used ones, cut to what is left.
            self.used.remove(&extent.place);
            for kept in [0..new.start, new.end()..u64::MAX].iter().filter_map(|range| extent.cut(range)) {
                self.occupy(kept.place, kept.length);
                extents.push(kept);
            }
            if let Some(lost) = extent.cut(&(new.start..new.end())) {
                freed.push(lost.place..lost.place + lost.length);
            }
        }
        extents.sort_by_key(|extent| extent.start);
        self.occupy(new.place, new.length);
        let extents = self.join(extents);
        self.parts.insert(number, Part::Staged { extents, md5: None });
        freed
    }

    /// Neighbours in the part that are neighbours in the file become one.
    fn join(&mut self, extents: Vec<Extent>) -> Vec<Extent> {
        let mut joined: Vec<Extent> = Vec::with_capacity(extents.len());
        for extent in extents {
            match joined.last_mut() {
                Some(last) if last.end() == extent.start && last.place + last.length == extent.place => {
                    self.used.remove(&extent.place);
                    last.length += extent.length;
                    self.used.insert(last.place, last.place + last.length);
                }
                _ => joined.push(extent),
            }
        }
        joined
    }

    fn free(&mut self, extent: &Extent) -> Range<u64> {
        self.used.remove(&extent.place);
        extent.place..extent.place + extent.length
    }

    /// Bytes of all parts.
    pub(crate) fn total(&self) -> u64 {
        self.parts.values().map(Part::end).sum()
    }

    /// The first part that has a hole.
    pub(crate) fn incomplete(&self) -> Option<u32> {
        self.parts().find(|(_, part)| !part.is_whole()).map(|(number, _)| number)
    }

    /// Whether the staging file, cut to [`Self::total`], is the file.
    pub(crate) fn is_in_place(&self) -> bool {
        let mut position = 0;
        self.parts.values().all(|part| match part {
            Part::AtProvider { size, .. } => *size == 0,
            Part::Staged { extents, .. } => extents.iter().all(|extent| {
                let fits = extent.place == position;
                position += extent.length;
                fits
            }),
        })
    }

    /// The staged bytes of one part or, without a number, of all, in order, as ranges of the staging file.
    pub(crate) fn pieces(&self, number: Option<u32>) -> Vec<Range<u64>> {
        let wanted = self.parts().filter(|(part, _)| number.is_none_or(|number| number == *part));
        let staged = wanted.filter_map(|(_, part)| match part {
            Part::Staged { extents, .. } => Some(extents),
            Part::AtProvider { .. } => None,
        });
        staged.flatten().map(|extent| extent.place..extent.place + extent.length).collect()
    }
}

#[cfg(test)]
mod tests;
