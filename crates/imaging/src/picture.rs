//! What decoders give, steps change and encoders take.

use std::time::Duration;

/// How the samples of a pixel lie; each has eight bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One sample.
    Gray,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and opacity (255: opaque), not premultiplied.
    Rgba,
}

impl Layout {
    /// Samples, and bytes, of a pixel.
    pub const fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// Pixels in rows from top to bottom, without padding. Neither side is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How a pixel lies.
    pub layout: Layout,
    /// `width * height * layout.channels()` bytes.
    pub pixels: Vec<u8>,
}

impl Bitmap {
    /// Wraps pixels; `None` if their number does not fit the sides, or a side is 0.
    pub fn new(width: u32, height: u32, layout: Layout, pixels: Vec<u8>) -> Option<Self> {
        let fits = pixels.len() == (width as usize).checked_mul(height as usize)?.checked_mul(layout.channels())?;
        (fits && width > 0 && height > 0).then_some(Self { width, height, layout, pixels })
    }

    /// One colour everywhere.
    pub fn filled(width: u32, height: u32, colour: [u8; 4]) -> Self {
        let count = width as usize * height as usize;
        let (layout, pixel) =
            if colour[3] == u8::MAX { (Layout::Rgb, &colour[..3]) } else { (Layout::Rgba, &colour[..]) };
        Self { width, height, layout, pixels: pixel.repeat(count) }
    }

    /// Bytes of a row.
    pub fn stride(&self) -> usize {
        self.width as usize * self.layout.channels()
    }

    /// The rows from top to bottom.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.pixels.chunks_exact(self.stride())
    }

    /// Whether any pixel lets something through.
    pub fn has_transparency(&self) -> bool {
        self.layout == Layout::Rgba && self.pixels.chunks_exact(4).any(|pixel| pixel[3] < u8::MAX)
    }

    /// The same picture with at least colour samples: gray becomes RGB.
    pub fn into_colour(self) -> Self {
        match self.layout {
            Layout::Gray => {
                let pixels = self.pixels.iter().flat_map(|level| [*level; 3]).collect();
                Self { layout: Layout::Rgb, pixels, ..self }
            }
            Layout::Rgb | Layout::Rgba => self,
        }
    }

    /// The same picture with opacity samples.
    pub fn into_rgba(self) -> Self {
        let pixels = match self.layout {
            Layout::Gray => self.pixels.iter().flat_map(|level| [*level, *level, *level, u8::MAX]).collect(),
            Layout::Rgb => {
                self.pixels.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], u8::MAX]).collect()
            }
            Layout::Rgba => return self,
        };
        Self { layout: Layout::Rgba, pixels, ..self }
    }

    /// The picture on a ground of one colour, without opacity samples. Pictures that have none stay as they are.
    pub fn flattened(self, ground: [u8; 3]) -> Self {
        if self.layout != Layout::Rgba {
            return self;
        }
        let over = |level: u8, below: u8, opacity: u8| {
            let mixed = u32::from(level) * u32::from(opacity) + u32::from(below) * u32::from(u8::MAX - opacity);
            // Rounded division by 255.
            ((mixed + 127) / 255) as u8
        };
        let pixels = self
            .pixels
            .chunks_exact(4)
            .flat_map(|pixel| {
                std::array::from_fn::<u8, 3, _>(|channel| over(pixel[channel], ground[channel], pixel[3]))
            })
            .collect();
        Self { layout: Layout::Rgb, pixels, ..self }
    }
}

/// One picture of an animation, or the only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The whole canvas: what earlier frames left is drawn in already.
    pub bitmap: Bitmap,
    /// How long it is shown; zero in a still picture.
    pub delay: Duration,
}

/// How stored pixels have to be turned to stand upright: EXIF 1 to 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "what has to be done with the stored pixels, in this order: quarter turns clockwise, then mirrored left-right"
)]
pub enum Orientation {
    #[default]
    Upright,
    Mirrored,
    Turned180,
    Turned180Mirrored,
    Turned90Mirrored,
    Turned90,
    Turned270Mirrored,
    Turned270,
}

impl Orientation {
    /// From the value of the EXIF tag; anything but 1 to 8 is upright.
    pub fn from_exif(value: u32) -> Self {
        use Orientation::*;
        match value {
            2 => Mirrored,
            3 => Turned180,
            4 => Turned180Mirrored,
            5 => Turned90Mirrored,
            6 => Turned90,
            7 => Turned270Mirrored,
            8 => Turned270,
            _ => Upright,
        }
    }

    /// Quarter turns clockwise, and whether the result is then mirrored left-right, that make the picture stand upright.
    pub fn upright(self) -> (u8, bool) {
        use Orientation::*;
        match self {
            Upright => (0, false),
            Mirrored => (0, true),
            Turned180 => (2, false),
            Turned180Mirrored => (2, true),
            Turned90Mirrored => (1, true),
            Turned90 => (1, false),
            Turned270Mirrored => (3, true),
            Turned270 => (3, false),
        }
    }
}

/// What an encoded picture carries beside its pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// ICC profile that the samples are meant in; `None`: sRGB. Decoders turn what is neither gray nor RGB into sRGB.
    pub icc: Option<Vec<u8>>,
    /// The TIFF structure of EXIF, without `Exif\0\0`.
    pub exif: Option<Vec<u8>>,
    /// The XMP packet.
    pub xmp: Option<Vec<u8>>,
    /// From EXIF; upright for formats whose decoder turns the pixels itself.
    pub orientation: Orientation,
}

impl Metadata {
    /// The pixels stand upright now, whatever was said of them.
    pub fn set_upright(&mut self) {
        self.orientation = Orientation::Upright;
        if let Some(exif) = &mut self.exif {
            crate::exif::set_upright(exif);
        }
    }
}

/// A rectangle of a picture in its own pixels; edges may lie between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Region {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Region {
    /// All of a picture.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height) }
    }
}
