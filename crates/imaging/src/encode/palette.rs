//! Pictures of few colours.

/// The colours of a picture in the order in which they come, and where each pixel finds its own.
pub(super) struct Indexed {
    pub(super) colours: Vec<[u8; 4]>,
    pub(super) indices: Vec<u8>,
}

/// Slots of the hash table; with 256 colours a quarter is in use.
const SLOTS: usize = 1024;

/// All colours, if they are no more than `most`, which is 256 or less.
pub(super) fn exact(pixels: impl ExactSizeIterator<Item = [u8; 4]>, most: usize) -> Option<Indexed> {
    let mut table = [(0u32, u16::MAX); SLOTS];
    let mut indexed = Indexed { colours: Vec::new(), indices: Vec::with_capacity(pixels.len()) };
    let mut last = None;
    for pixel in pixels {
        let key = u32::from_le_bytes(pixel);
        let index = match last {
            Some((colour, index)) if colour == key => index,
            _ => {
                let mut slot = (key.wrapping_mul(0x9e37_79b1) >> 22) as usize;
                while table[slot].1 != u16::MAX && table[slot].0 != key {
                    slot = (slot + 1) % SLOTS;
                }
                if table[slot].1 == u16::MAX {
                    if indexed.colours.len() == most {
                        return None;
                    }
                    table[slot] = (key, indexed.colours.len() as u16);
                    indexed.colours.push(pixel);
                }
                table[slot].1 as u8
            }
        };
        last = Some((key, index));
        indexed.indices.push(index);
    }
    Some(indexed)
}
