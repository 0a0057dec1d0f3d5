//! Progressive files send every coefficient in several scans. Scaled down, most of them cannot be seen, and not decoding them is most of the time
//! saved: the entropy decoding of what is left takes a fifth.

use crate::{
    ImageError,
    jpeg::{Head, Segment, marker, without},
};

/// Bits of precision without which a coefficient is still good enough at a quarter of the size.
const BITS_TO_SPARE: u8 = 2;

/// The pieces of the file that a decoder needs at this scale.
pub(super) fn needed<'a>(bytes: &'a [u8], head: &Head<'_>, scale: u32) -> Result<Vec<&'a [u8]>, ImageError> {
    if !head.progressive || scale < 4 {
        return Ok(vec![bytes]);
    }
    without(bytes, |segment| segment.marker == marker::SOS && !is_seen(segment, head, scale))
}

/// Whether a scan can be seen. At an eighth the result is the same to the bit, at a quarter it lacks the finest differences.
fn is_seen(scan: &Segment<'_>, head: &Head<'_>, scale: u32) -> bool {
    // Only scans of one component send anything but averages (T.81 section G.1.1.1.1).
    let &[1, component, _, first_coefficient, _, precision] = scan.payload else { return true };
    let precision_before = precision >> 4;
    let is_refinement = precision_before > 0;
    match (first_coefficient, scale) {
        (0, _) => true,
        (_, 8) => !is_averaged(component, head),
        _ => !(is_refinement && precision_before <= BITS_TO_SPARE),
    }
}

/// Whether, at an eighth, each block of the component becomes one pixel. Of a component with fewer blocks than others, a block becomes several if the
/// library can scale it so instead of repeating pixels.
fn is_averaged(id: u8, head: &Head<'_>) -> bool {
    head.components.iter().filter(|component| component.id == id).all(|component| {
        let halved = |unit: u32, blocks: u8| unit.is_multiple_of(u32::from(blocks) * 2);
        !(halved(head.unit_width(), component.horizontal) && halved(head.unit_height(), component.vertical))
    })
}
