//! TIFF by the crate `tiff`, strip by strip or tile by tile.

mod coded;
mod samples;

use std::borrow::Cow;
use std::io::Cursor;

use tiff::{
    ColorType, TiffError,
    decoder::{ChunkType, Decoder, Limits as DecoderLimits},
    tags::Tag,
};

use super::{Header, Opened, Wish, still};
use crate::{Bitmap, Format, ImageError, Limits, Metadata, Orientation};
use samples::Meaning;

/// Most bytes of a profile or any other value of a tag.
const MAX_VALUE: usize = 4 << 20;
const XMP: Tag = Tag::Unknown(700);
const ICC: Tag = Tag::Unknown(34675);

/// One picture of the file.
struct Page<'a> {
    decoder: Decoder<Cursor<Cow<'a, [u8]>>>,
    width: u32,
    height: u32,
    /// Samples of a pixel as they are decoded.
    channels: usize,
    /// Whether each channel is a plane of its own.
    planar: bool,
    meaning: Meaning,
}

impl From<TiffError> for ImageError {
    fn from(error: TiffError) -> Self {
        match error {
            TiffError::UnsupportedError(reason) => Self::Unsupported(format!("this kind of TIFF ({reason})")),
            TiffError::LimitsExceeded => Self::TooLarge("a part of the TIFF".to_owned()),
            other => Self::Broken(other.to_string()),
        }
    }
}

pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    still::guarded(|| Page::open(bytes, 1, limits)?.header(limits))
}

pub(super) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    still::guarded(|| {
        let mut page = Page::open(bytes, wish.page, limits)?;
        let header = page.header(limits)?;
        coded::check(bytes, &mut page.decoder, limits)?;
        let metadata = page.metadata();
        let shown = Metadata { icc: metadata.icc.clone().filter(|_| !page.meaning.is_cmyk()), ..metadata };
        Ok(still::opened(header, shown, move || page.decode(metadata.icc.as_deref())))
    })
}

impl<'a> Page<'a> {
    /// Goes to the page (1-based) and finds out what its samples mean.
    fn open(bytes: &'a [u8], page: u32, limits: &Limits) -> Result<Self, ImageError> {
        let mut decoder = positioned(Cow::Borrowed(bytes), page, limits)?;
        let photometric = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)?.unwrap_or(1);
        let palette = if photometric == samples::PALETTE {
            let palette = samples::palette(&decoder.get_tag_u16_vec(Tag::ColorMap)?);
            decoder = positioned(Cow::Owned(coded::without_palette(bytes, &mut decoder)?), page, limits)?;
            Some(palette)
        } else {
            None
        };
        let (width, height) = decoder.dimensions()?;
        let colour = decoder.colortype()?;
        let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples)?.and_then(|kinds| kinds.first().copied());
        let meaning = Meaning::of(colour, palette, extra)?;
        let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration)? == Some(2);
        Ok(Self { width, height, channels: usize::from(colour.num_samples()), planar, meaning, decoder })
    }

    fn header(&self, limits: &Limits) -> Result<Header, ImageError> {
        still::header(Format::Tiff, self.width, self.height, self.meaning.has_alpha(), limits)
    }

    /// What can be read of it; a broken value is as good as none.
    fn metadata(&mut self) -> Metadata {
        let mut value = |tag| self.decoder.get_tag_u8_vec(tag).ok();
        let (icc, xmp) = (value(ICC), value(XMP));
        let orientation = self.decoder.find_tag_unsigned::<u16>(Tag::Orientation).ok().flatten();
        Metadata { icc, exif: None, xmp, orientation: Orientation::from_exif(u32::from(orientation.unwrap_or(1))) }
    }

    fn decode(mut self, icc: Option<&[u8]>) -> Result<Bitmap, ImageError> {
        let bits = match self.decoder.colortype()? {
            ColorType::Multiband { bit_depth, .. } => bit_depth,
            colour => colour.bit_depth(),
        };
        let (width, height) = (self.width as usize, self.height as usize);
        let (wide, high) = self.decoder.chunk_dimensions();
        let across = self.width.div_ceil(wide);
        let chunks = across * self.height.div_ceil(high);
        let planes = if self.planar { self.channels } else { 1 };
        let channels = self.channels / planes;
        let mut all = vec![0; width * height * self.channels];
        for plane in 0..planes {
            for chunk in 0..chunks {
                let (left, top) = ((chunk % across * wide) as usize, (chunk / across * high) as usize);
                let (columns, rows) = ((width - left).min(wide as usize), (height - top).min(high as usize));
                let decoded = self.decoder.read_chunk(plane as u32 * chunks + chunk)?;
                let chunk = samples::eight_bit(decoded, bits, columns * channels, self.meaning.is_palette())?;
                if chunk.len() < columns * channels * rows {
                    return Err(ImageError::Broken("a strip or tile is too short".to_owned()));
                }
                for (row, line) in chunk.chunks_exact(columns * channels).take(rows).enumerate() {
                    let start = ((top + row) * width + left) * self.channels;
                    let target = &mut all[start..start + columns * self.channels];
                    if self.planar {
                        target
                            .chunks_exact_mut(self.channels)
                            .zip(line)
                            .for_each(|(pixel, level)| pixel[plane] = *level);
                    } else {
                        target.copy_from_slice(line);
                    }
                }
            }
        }
        let (layout, pixels) = self.meaning.pixels(all, self.channels, icc);
        Bitmap::new(self.width, self.height, layout, pixels)
            .ok_or_else(|| ImageError::Broken("a strip or tile is missing".to_owned()))
    }
}

/// A decoder at a page of the file.
fn positioned<'a>(
    bytes: Cow<'a, [u8]>,
    page: u32,
    limits: &Limits,
) -> Result<Decoder<Cursor<Cow<'a, [u8]>>>, ImageError> {
    let mut own = DecoderLimits::default();
    // A file may be one strip: four samples of two bytes.
    own.decoding_buffer_size = usize::try_from(limits.max_pixels.saturating_mul(8)).unwrap_or(usize::MAX);
    own.ifd_value_size = MAX_VALUE;
    let mut decoder = Decoder::new(Cursor::new(bytes))?.with_limits(own);
    for _ in 1..page {
        if !decoder.more_images() {
            return Err(ImageError::Parameter { task: "output", parameter: "page" });
        }
        decoder.next_image()?;
    }
    Ok(decoder)
}

/// Whether the picture is kept in tiles.
fn is_tiled(decoder: &Decoder<Cursor<Cow<'_, [u8]>>>) -> bool {
    decoder.get_chunk_type() == ChunkType::Tile
}

#[cfg(test)]
mod tests;
