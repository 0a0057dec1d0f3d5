//! The canvas of an animation: frames cover parts of it, and say what becomes of their part before the next one.

use std::time::Duration;

use crate::{Bitmap, Frame, ImageError, Layout};

/// A rectangle inside of a canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Rectangle {
    /// The part of it that lies on a canvas.
    pub(super) fn within(self, width: usize, height: usize) -> Self {
        let (x, y) = (self.x.min(width), self.y.min(height));
        Self { x, y, width: self.width.min(width - x), height: self.height.min(height - y) }
    }
}

/// What becomes of the part that a frame covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Disposal {
    /// It stays.
    #[default]
    Keep,
    /// It becomes transparent.
    Clear,
    /// It becomes what it was before the frame.
    Restore,
}

/// RGBA pixels that frames are drawn on, transparent at first.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    /// Of the frame drawn last.
    disposal: Disposal,
    covered: Rectangle,
    /// What the frame drawn last covers, if it will be restored.
    saved: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        let pixels = vec![0; width * height * 4];
        Self { width, height, pixels, disposal: Disposal::Keep, covered: Rectangle::default(), saved: Vec::new() }
    }

    /// Disposes of the last frame and prepares for one that covers a part of the canvas; what lies outside of it is cut off, the rest is returned.
    pub(super) fn begin(&mut self, covers: Rectangle, disposal: Disposal) -> Rectangle {
        self.dispose();
        self.covered = covers.within(self.width, self.height);
        self.disposal = disposal;
        if disposal == Disposal::Restore {
            self.saved.clear();
            for row in 0..self.covered.height {
                let place = self.place(row);
                self.saved.extend_from_slice(&self.pixels[place]);
            }
        }
        self.covered
    }

    /// The pixels that a row of the frame covers; rows are counted from the top of the frame.
    pub(super) fn row(&mut self, row: usize) -> &mut [u8] {
        let place = self.place(row);
        &mut self.pixels[place]
    }

    /// What is to be seen in a part of the canvas, without opacity samples if nothing of it is transparent.
    pub(super) fn shown(&self, part: Rectangle, delay: Duration) -> Result<Frame, ImageError> {
        let rows = || {
            self.pixels
                .chunks_exact(self.width * 4)
                .skip(part.y)
                .take(part.height)
                .map(|row| &row[part.x * 4..][..part.width * 4])
        };
        let opaque = rows().all(|row| row.chunks_exact(4).fold(u8::MAX, |least, pixel| least & pixel[3]) == u8::MAX);
        let layout = if opaque { Layout::Rgb } else { Layout::Rgba };
        let mut pixels = Vec::with_capacity(part.width * part.height * layout.channels());
        for row in rows() {
            if opaque {
                pixels.extend(row.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]));
            } else {
                pixels.extend_from_slice(row);
            }
        }
        let bitmap = Bitmap::new(part.width as u32, part.height as u32, layout, pixels);
        Ok(Frame { bitmap: bitmap.ok_or_else(|| ImageError::Broken("a canvas of 0 pixels".to_owned()))?, delay })
    }

    fn dispose(&mut self) {
        let stride = self.covered.width * 4;
        for row in 0..self.covered.height {
            let place = self.place(row);
            match self.disposal {
                Disposal::Keep => return,
                Disposal::Clear => self.pixels[place].fill(0),
                Disposal::Restore => self.pixels[place].copy_from_slice(&self.saved[row * stride..][..stride]),
            }
        }
    }

    fn place(&self, row: usize) -> std::ops::Range<usize> {
        let start = ((self.covered.y + row) * self.width + self.covered.x) * 4;
        start..start + self.covered.width * 4
    }
}

/// How long a frame is shown: browsers give a tenth of a second to frames that ask for a hundredth or less, and animations are made to look right there.
pub(super) fn shown_for(delay: Duration) -> Duration {
    if delay <= Duration::from_millis(10) { Duration::from_millis(100) } else { delay }
}

/// The whole pixels that a wish for a part of a picture touches; all of it if there is no such wish.
pub(super) fn part(region: Option<crate::Region>, width: u32, height: u32) -> Rectangle {
    let Some(region) = region else {
        return Rectangle { x: 0, y: 0, width: width as usize, height: height as usize };
    };
    let span = |start: f64, length: f64, side: u32| {
        let first = start.floor().clamp(0.0, f64::from(side - 1)) as usize;
        let end = (start + length).ceil().clamp(0.0, f64::from(side)) as usize;
        (first, end.max(first + 1) - first)
    };
    let (x, width) = span(region.x, region.width, width);
    let (y, height) = span(region.y, region.height, height);
    Rectangle { x, y, width, height }
}
