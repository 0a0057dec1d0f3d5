//! The entropy decoding of sequential files (T.81 section F.2.2). It takes most of the time that a scaled picture costs; looking up a code and
//! the number behind it at once takes a third less of it than the library does.

mod bits;
mod table;
#[cfg(test)]
mod tests;

use bits::Bits;
use table::{Coded, Table};

use super::{Head, Segment, marker, segments};

/// Coefficients of a block, row by row, without those of the quantisation.
pub(crate) type Block = [i16; 64];

/// Places in a block in the order of the file (T.81 figure A.6). Those behind the end, which only a broken file names, count as the last.
const PLACES: [u8; 128] = places();

/// A scan that holds all of the picture.
pub(crate) struct Scan<'a> {
    bits: Bits<'a>,
    tables: Vec<Tables>,
    /// For each block of a unit the component that it belongs to.
    blocks: Vec<usize>,
    /// The last average of each component.
    averages: Vec<i16>,
    /// Units between two restart markers; 0: there are none.
    interval: usize,
    /// Units until the next restart marker.
    left: usize,
    /// Restart markers passed.
    restarts: u8,
}

/// Of a component.
struct Tables {
    average: Table,
    others: Table,
}

/// What stops the decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl<'a> Scan<'a> {
    /// The scan of a file, if it is sequential and all components lie in one.
    pub(crate) fn of(bytes: &'a [u8], head: &Head<'_>) -> Option<Self> {
        let mut found = Found::default();
        let scan = segments(bytes).map_while(Result::ok).find(|segment| found.take(segment))?;
        let (count, rest) = scan.payload.split_first()?;
        let selectors = rest.get(..usize::from(*count) * 2)?;
        let is_whole = !head.progressive && usize::from(*count) == head.components.len();
        let in_order =
            selectors.chunks_exact(2).zip(&head.components).all(|(selector, component)| selector[0] == component.id);
        if !is_whole || !in_order {
            return None;
        }
        let tables = selectors.chunks_exact(2).map(|selector| {
            let table = |class: usize, number: u8| {
                let Definition { counts, symbols } = found.tables[class].get(usize::from(number))?.as_ref()?;
                Table::new(counts, symbols)
            };
            Some(Tables { average: table(0, selector[1] >> 4)?, others: table(1, selector[1] & 15)? })
        });
        let tables = tables.collect::<Option<Vec<_>>>()?;
        Some(Self {
            bits: Bits::new(bytes, scan.place.end),
            averages: vec![0; tables.len()],
            blocks: blocks(head),
            tables,
            interval: found.interval,
            left: found.interval,
            restarts: 0,
        })
    }

    /// Decodes the next unit. `block` lends the block of a number, all zeroes, or none if it is not wanted.
    pub(crate) fn next_unit<'b>(
        &mut self,
        mut block: impl FnMut(usize) -> Option<&'b mut Block>,
    ) -> Result<(), Damaged> {
        if self.interval > 0 {
            self.count_down().ok_or(Damaged)?;
        }
        let mut bits = self.bits;
        for (number, &component) in self.blocks.iter().enumerate() {
            let Tables { average, others } = &self.tables[component];
            bits.refill();
            let coded = average.short(bits.peek()).or_else(|| average.long(bits.peek())).ok_or(Damaged)?;
            bits.pass(coded.length);
            let last = &mut self.averages[component];
            *last = last.wrapping_add(coded.value);
            let mut ignored = [0; 64];
            let block = block(number).unwrap_or(&mut ignored);
            block[0] = *last;
            others_of(block, others, &mut bits).ok_or(Damaged)?;
        }
        self.bits = bits;
        if bits.is_beyond_end() { Err(Damaged) } else { Ok(()) }
    }

    fn count_down(&mut self) -> Option<()> {
        if self.left == 0 {
            self.bits.pass_marker(0xd0 + self.restarts % 8)?;
            self.restarts = self.restarts.wrapping_add(1);
            self.averages.fill(0);
            self.left = self.interval;
        }
        self.left -= 1;
        Some(())
    }
}

/// So many short codes fit into what a refill gives, and a long one after them.
const SHORT_CODES: usize = 3;

/// All coefficients but the average.
#[inline(always)]
fn others_of(block: &mut Block, table: &Table, bits: &mut Bits<'_>) -> Option<()> {
    let mut place = 1;
    let mut put = |bits: &mut Bits<'_>, coded: Coded| {
        bits.pass(coded.length);
        place += coded.run as usize;
        // The end of a block writes 0 to its last place, which is 0 still.
        block[usize::from(PLACES[place & 127] & 63)] = coded.value;
        place += 1;
        place > 63
    };
    loop {
        bits.refill();
        for _ in 0..SHORT_CODES {
            let Some(coded) = table.short(bits.peek()) else { break };
            if put(bits, coded) {
                return Some(());
            }
        }
        if table.short(bits.peek()).is_none() && put(bits, table.long(bits.peek())?) {
            return Some(());
        }
    }
}

/// What stands before the scan.
#[derive(Default)]
struct Found {
    /// By class and number.
    tables: [[Option<Definition>; 4]; 2],
    interval: usize,
}

/// How many codes of each length a table has, and what they stand for in their order.
struct Definition {
    counts: [u8; 16],
    symbols: Vec<u8>,
}

impl Found {
    /// Whether this is the scan.
    fn take(&mut self, segment: &Segment<'_>) -> bool {
        match (segment.marker, segment.payload) {
            (marker::DHT, payload) => self.take_tables(payload).unwrap_or_default(),
            (marker::DRI, &[high, low]) => self.interval = usize::from(u16::from_be_bytes([high, low])),
            _ => {}
        }
        segment.marker == marker::SOS
    }

    /// Several tables can stand in one segment (T.81 section B.2.4.2).
    fn take_tables(&mut self, mut rest: &[u8]) -> Option<()> {
        while let Some((name, after)) = rest.split_first() {
            let (counts, after) = after.split_first_chunk::<16>()?;
            let length = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, after) = after.split_at_checked(length)?;
            let place = self.tables.get_mut(usize::from(name >> 4))?.get_mut(usize::from(name & 15))?;
            *place = Some(Definition { counts: *counts, symbols: symbols.to_vec() });
            rest = after;
        }
        Some(())
    }
}

/// The components of the blocks of a unit (T.81 section A.2): a component alone comes block by block.
fn blocks(head: &Head<'_>) -> Vec<usize> {
    if head.components.len() == 1 {
        return vec![0];
    }
    let count = |index: usize| usize::from(head.components[index].horizontal * head.components[index].vertical);
    (0..head.components.len()).flat_map(|index| std::iter::repeat_n(index, count(index))).collect()
}

/// Diagonal by diagonal, up and down in turns.
const fn places() -> [u8; 128] {
    let mut places = [63; 128];
    let (mut row, mut column, mut index) = (0_u8, 0_u8, 0);
    while index < 64 {
        places[index] = row * 8 + column;
        index += 1;
        let up = (row + column).is_multiple_of(2);
        (row, column) = match (up, row, column) {
            (true, _, 7) => (row + 1, column),
            (true, 0, _) => (row, column + 1),
            (true, ..) => (row - 1, column + 1),
            (false, 7, _) => (row, column + 1),
            (false, _, 0) => (row + 1, column),
            (false, ..) => (row + 1, column - 1),
        };
    }
    places
}
