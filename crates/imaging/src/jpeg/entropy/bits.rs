//! The bits of compressed data (T.81 section B.1.1.5): after each byte of ones a zero byte is left out, and a marker ends them.

/// The bits from a place in a file on.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Where the next byte comes from; never behind a marker that has not been passed.
    position: usize,
    /// The next bits, the first one topmost. What stands below `count` of them is unspecified, but right as far as it is not 0.
    next: u64,
    count: u32,
    /// Zeroes that were added because a marker, or the end of the file, had come.
    padding: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position, next: 0, count: 0, padding: 0 }
    }

    /// Makes at least 56 bits available.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let word = self.bytes.get(self.position..).and_then(|rest| rest.first_chunk());
        match word.map(|word| u64::from_be_bytes(*word)).filter(|word| !has_byte_of_ones(*word)) {
            Some(word) => {
                self.next |= word >> self.count;
                self.position += ((63 - self.count) >> 3) as usize;
                self.count |= 56;
            }
            // By value: whose address is known is not kept in registers.
            None => *self = self.refilled_bytewise(),
        }
    }

    #[cold]
    #[inline(never)]
    fn refilled_bytewise(mut self) -> Self {
        self.next &= !u64::MAX.checked_shr(self.count).unwrap_or(0);
        while self.count < 56 {
            let byte = self.take_byte();
            self.padding += if byte.is_none() { 8 } else { 0 };
            self.next |= u64::from(byte.unwrap_or(0)) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// A byte of data; `None` at a marker.
    fn take_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        if byte != 0xff {
            self.position += 1;
            return Some(byte);
        }
        let ones = self.bytes[self.position..].iter().take_while(|byte| **byte == 0xff).count();
        let is_data = self.bytes.get(self.position + ones) == Some(&0);
        is_data.then(|| {
            self.position += ones + 1;
            0xff
        })
    }

    /// The next bits, the first one topmost.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        self.next
    }

    /// Passes bits that are available, fewer than 64.
    #[inline(always)]
    pub(super) fn pass(&mut self, length: u32) {
        self.next <<= length;
        self.count -= length;
    }

    /// Whether bits were passed that are not in the file.
    pub(super) fn is_beyond_end(&self) -> bool {
        self.padding > self.count
    }

    /// Goes behind the next marker, which must be this one.
    pub(super) fn pass_marker(&mut self, wanted: u8) -> Option<()> {
        let mut at = self.position;
        let marker = loop {
            at += self.bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?;
            at += self.bytes[at..].iter().take_while(|byte| **byte == 0xff).count();
            match *self.bytes.get(at)? {
                0 => at += 1,
                marker => break marker,
            }
        };
        *self = Self::new(self.bytes, at + 1);
        (marker == wanted).then_some(())
    }
}

/// A number whose topmost bit tells its sign: 1 for positive ones.
#[inline(always)]
pub(super) fn extended(bits: u32, length: u32) -> i32 {
    let bits = bits as i32;
    if bits >> (length - 1) == 0 { bits - (1 << length) + 1 } else { bits }
}

#[inline(always)]
fn has_byte_of_ones(word: u64) -> bool {
    const LOWEST: u64 = u64::from_ne_bytes([1; 8]);
    let inverted = !word;
    inverted.wrapping_sub(LOWEST) & word & (LOWEST << 7) != 0
}
