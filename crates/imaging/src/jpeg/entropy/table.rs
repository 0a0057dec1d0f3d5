//! Huffman tables (T.81 annex C), made for looking up a code and the number behind it at once.

use super::bits::extended;

/// Bits that are looked up.
const LOOK_UP: u32 = 12;
/// As a number of coefficients: the block is at its end.
const END_OF_BLOCK: u32 = 64;

/// Codes up to 16 bits for a run of zeroes and the length of a number.
pub(super) struct Table {
    /// For each of the next bits a [`Look`].
    looks: Box<[Look; 1 << LOOK_UP]>,
    /// For each length the first code that is too large for it, in 16 bits.
    ends: [u32; 17],
    /// What is added to a code of a length to find its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

/// What the next bits mean: from the top 16 bits of value, 8 of the run before it, and 8 of how many bits that takes. If they are more than were looked
/// at, 8 bits of the symbol, 8 of the length of its code, and 8 zeroes; all zeroes if that is longer. One number, because it is loaded at once.
#[derive(Clone, Copy)]
struct Look(u32);

/// A run of zeroes, the value after it, and the bits that they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coded {
    pub(super) run: u32,
    pub(super) value: i16,
    pub(super) length: u32,
}

impl Table {
    /// From the number of codes of each length, and the symbols in the order of their codes. `None` if there are more codes than lengths allow.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let looks = vec![Look(0); 1 << LOOK_UP].into_boxed_slice().try_into().ok()?;
        let mut table = Self { looks, ends: [0; 17], offsets: [0; 17], symbols: symbols.to_vec() };
        let (mut code, mut index) = (0_u32, 0);
        for (length, count) in (1..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..*count {
                table.fill(code, length, *symbols.get(index)?)?;
                code += 1;
                index += 1;
            }
            (code <= 1 << length).then_some(())?;
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Notes what all the bits mean that begin with a code.
    fn fill(&mut self, code: u32, length: u32, symbol: u8) -> Option<()> {
        let (run, size) = parts(symbol);
        let Some(rest) = LOOK_UP.checked_sub(length + size) else {
            let Some(rest) = LOOK_UP.checked_sub(length) else { return Some(()) };
            let first = (code << rest) as usize;
            let look = Look(u32::from(symbol) << 16 | length << 8);
            self.looks.get_mut(first..first + (1 << rest))?.fill(look);
            return Some(());
        };
        for number in 0..1 << size {
            let value = if size == 0 { 0 } else { extended(number, size) };
            let look = Look(u32::from(value as u16) << 16 | run << 8 | (length + size));
            let first = ((code << size | number) << rest) as usize;
            self.looks.get_mut(first..first + (1 << rest))?.fill(look);
        }
        Some(())
    }

    /// The next code and the number behind it, if both are short.
    #[inline(always)]
    pub(super) fn short(&self, next: u64) -> Option<Coded> {
        let Look(look) = self.looks[(next >> (64 - LOOK_UP)) as usize];
        let coded = Coded { run: look >> 8 & 0xff, value: (look >> 16) as i16, length: look & 0xff };
        (coded.length > 0).then_some(coded)
    }

    /// The next code and the number behind it, at most 31 bits, if they are not short; `None` for bits that are no code.
    #[inline(never)]
    pub(super) fn long(&self, next: u64) -> Option<Coded> {
        let Look(look) = self.looks[(next >> (64 - LOOK_UP)) as usize];
        let (length, symbol) = if look == 0 { self.search(next)? } else { (look >> 8 & 0xff, (look >> 16) as u8) };
        let (run, size) = parts(symbol);
        let value = if size == 0 { 0 } else { extended((next << length >> (64 - size)) as u32, size) };
        Some(Coded { run, value: value as i16, length: length + size })
    }

    /// The length and the symbol of a code that is too long to be looked up.
    fn search(&self, next: u64) -> Option<(u32, u8)> {
        let code = (next >> 48) as u32;
        let length = (LOOK_UP + 1..=16).find(|length| code < self.ends[*length as usize])?;
        let index = (code >> (16 - length)) as i32 + self.offsets[length as usize];
        Some((length, *self.symbols.get(usize::try_from(index).ok()?)?))
    }
}

/// The run and the bits of the number that a symbol stands for (T.81 section F.1.2.2.1). Those of averages are below 16, and have no run.
fn parts(symbol: u8) -> (u32, u32) {
    match (symbol >> 4, symbol & 15) {
        // A whole run of zeroes: the one that follows it is the value.
        (15, 0) => (15, 0),
        (_, 0) => (END_OF_BLOCK, 0),
        (run, size) => (u32::from(run), u32::from(size)),
    }
}
