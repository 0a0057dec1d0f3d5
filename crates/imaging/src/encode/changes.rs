//! What changes from one frame of an animation to the next.

/// A rectangle that holds all pixels which differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Changed {
    /// The rows of this rectangle in RGBA pixels of a canvas that wide.
    pub(super) fn rows(self, pixels: &[u8], canvas_width: usize) -> impl Iterator<Item = &[u8]> {
        pixels
            .chunks_exact(canvas_width * 4)
            .skip(self.y)
            .take(self.height)
            .map(move |row| &row[self.x * 4..][..self.width * 4])
    }
}

/// The smallest rectangle outside of which two pictures of RGBA pixels and one width are alike; one pixel if they are alike everywhere.
pub(super) fn changed(before: &[u8], after: &[u8], width: usize) -> Changed {
    let (mut top, mut bottom) = (None, 0);
    let (mut left, mut right) = (width, 0);
    let rows = before.chunks_exact(width * 4).zip(after.chunks_exact(width * 4));
    for (y, (old, new)) in rows.enumerate().filter(|(_, (old, new))| old != new) {
        top.get_or_insert(y);
        bottom = y;
        let mut differ = old.chunks_exact(4).zip(new.chunks_exact(4)).map(|(old, new)| old != new);
        left = differ.clone().position(|differs| differs).unwrap_or(left).min(left);
        right = differ.rposition(|differs| differs).unwrap_or(right).max(right);
    }
    match top {
        Some(top) => Changed { x: left, y: top, width: right + 1 - left, height: bottom + 1 - top },
        None => Changed { x: 0, y: 0, width: 1, height: 1 },
    }
}
