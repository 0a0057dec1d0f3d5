//! PDF: a page for each frame, as large as the picture at its density.

use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, types::Predictor};

use super::{Encoding, FrameWriter};
use crate::{Bitmap, Format, Frame, ImageError, Metadata};

/// Dots per inch at which a pixel is a point.
const POINTS: f32 = 72.0;
/// The largest side that a page may have, in points (ISO 32000-1, annex C).
const MAX_SIDE: f32 = 14_400.0;
const CATALOGUE: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PICTURE: Name<'static> = Name(b"picture");

struct Writer {
    /// Of the JPEG inside.
    jpeg: Encoding,
    density: Option<u16>,
    pdf: Pdf,
    pages: Vec<Ref>,
    next: Ref,
}

#[expect(clippy::unnecessary_wraps, reason = "all formats are asked in the same way")]
pub(super) fn writer(encoding: &Encoding, _metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    let jpeg = Encoding { format: Format::Jpeg, cmyk: false, animated: false, ..*encoding };
    Ok(Box::new(Writer { jpeg, density: encoding.density, pdf: Pdf::new(), pages: Vec::new(), next: Ref::new(3) }))
}

impl FrameWriter for Writer {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        let bitmap = frame.bitmap.into_colour();
        let (page, picture, mask, content) = (self.next.bump(), self.next.bump(), self.next.bump(), self.next.bump());
        let (width, height) = self.points(&bitmap);
        if bitmap.has_transparency() {
            self.write_transparent(&bitmap, picture, mask)?;
        } else {
            self.write_jpeg(bitmap, picture)?;
        }
        let mut description = self.pdf.page(page);
        description.media_box(Rect::new(0.0, 0.0, width, height)).parent(PAGES).contents(content);
        description.resources().x_objects().pair(PICTURE, picture);
        description.finish();
        let mut drawing = Content::new();
        drawing.transform([width, 0.0, 0.0, height, 0.0, 0.0]).x_object(PICTURE);
        self.pdf.stream(content, &drawing.finish());
        self.pages.push(page);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        self.pdf.catalog(CATALOGUE).pages(PAGES);
        self.pdf.pages(PAGES).kids(self.pages.iter().copied()).count(self.pages.len() as i32);
        Ok(self.pdf.finish())
    }
}

impl Writer {
    /// Sides of the page.
    fn points(&self, bitmap: &Bitmap) -> (f32, f32) {
        let of_pixel = self.density.map_or(1.0, |density| POINTS / f32::from(density.max(1)));
        let of_pixel = of_pixel.min(MAX_SIDE / bitmap.width.max(bitmap.height) as f32);
        (bitmap.width as f32 * of_pixel, bitmap.height as f32 * of_pixel)
    }

    fn write_jpeg(&mut self, bitmap: Bitmap, picture: Ref) -> Result<(), ImageError> {
        let (width, height) = (bitmap.width as i32, bitmap.height as i32);
        let mut writer = super::writer(&self.jpeg, &Metadata::default())?;
        writer.write(Frame { bitmap: bitmap.flattened(self.jpeg.ground), delay: std::time::Duration::ZERO })?;
        let jpeg = writer.finish()?;
        let mut object = self.pdf.image_xobject(picture, &jpeg);
        object.width(width).height(height).bits_per_component(8).filter(Filter::DctDecode);
        object.color_space().device_rgb();
        Ok(())
    }

    /// Without loss: what is transparent in part is seldom a photograph.
    fn write_transparent(&mut self, bitmap: &Bitmap, picture: Ref, mask: Ref) -> Result<(), ImageError> {
        let (width, height) = (bitmap.width, bitmap.height);
        let colours: Vec<u8> = bitmap.pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        let opacities: Vec<u8> = bitmap.pixels.chunks_exact(4).map(|pixel| pixel[3]).collect();
        for (object, samples, channels) in [(picture, colours, 3), (mask, opacities, 1)] {
            let kind = if channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale };
            let deflated = deflated(width, height, kind, &samples)?;
            let mut object = self.pdf.image_xobject(object, &deflated);
            object.width(width as i32).height(height as i32).bits_per_component(8).filter(Filter::FlateDecode);
            object.decode_parms().predictor(Predictor::PngOptimum).colors(channels).columns(width as i32);
            if channels == 3 {
                object.color_space().device_rgb();
                object.s_mask(mask);
            } else {
                object.color_space().device_gray();
            }
        }
        Ok(())
    }
}

/// The samples as a PNG compresses them, which PDF understands.
fn deflated(width: u32, height: u32, kind: png::ColorType, samples: &[u8]) -> Result<Vec<u8>, ImageError> {
    let failed = |error: png::EncodingError| ImageError::Unsupported(format!("this picture in a PDF ({error})"));
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(kind);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(samples).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(image_data(&file))
}

/// What the IDAT chunks of a PNG hold.
fn image_data(file: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(file.len());
    let mut rest = &file[8..];
    while let [a, b, c, d, kind @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if kind.starts_with(b"IDAT") {
            data.extend_from_slice(&kind[4..4 + length]);
        }
        // The name, the content and the check sum.
        rest = &kind[4 + length + 4..];
    }
    data
}

#[cfg(test)]
mod tests;
