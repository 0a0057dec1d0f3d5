//! Scaling, with Lanczos kernels between pixels.

use std::{cell::RefCell, sync::LazyLock};

use fast_image_resize::{
    PixelComponentMapper, PixelTrait, PixelType, ResizeOptions, Resizer, create_srgb_mapper,
    images::{CroppedImage, Image, ImageRef, TypedCroppedImage, TypedImage, TypedImageRef},
    pixels::{U8, U8x3, U8x4, U16, U16x3, U16x4},
};

use crate::{Bitmap, ImageError, Layout, Region};

/// Pixels that the kernel reaches in each direction when it enlarges.
const REACH: f64 = 3.0;

/// Bytes of scratch space that a thread keeps between two pictures.
const KEPT_SCRATCH: usize = 32 << 20;

thread_local! {
    static RESIZER: RefCell<Resizer> = RefCell::default();
}

/// Samples to amounts of light and back.
static LIGHT: LazyLock<PixelComponentMapper> = LazyLock::new(create_srgb_mapper);

/// A part of a picture, `width` × `height` pixels large. Colours are weighed by their opacity, with `linear_light` also by the light they
/// stand for. Edges of the part may lie between pixels; what lies behind them shines through a little, as if the whole picture had been
/// scaled and then cut.
///
/// # Errors
/// [`ImageError::OutputTooLarge`] for a side of 0, and for a part that lies outside.
pub(crate) fn scale(
    bitmap: &Bitmap,
    part: Region,
    width: u32,
    height: u32,
    linear_light: bool,
) -> Result<Bitmap, ImageError> {
    let part = inside(part, bitmap).ok_or(ImageError::OutputTooLarge)?;
    if is_cut(part, width, height) {
        return Ok(cut(bitmap, part.x as u32, part.y as u32, width, height));
    }
    // Rows are scaled first, which for a wide part that becomes high would need more room than both pictures.
    if part.width * f64::from(height) > 2.0 * part.height * f64::from(width) && part.height < f64::from(height) {
        let all_rows = Region { y: 0.0, height: f64::from(bitmap.height), ..part };
        let narrow = resampled(bitmap, all_rows, width, bitmap.height, linear_light)?;
        let part = Region { x: 0.0, width: f64::from(width), ..part };
        return resampled(&narrow, part, width, height, linear_light);
    }
    resampled(bitmap, part, width, height, linear_light)
}

/// The pixels of a rectangle that lies inside the picture.
pub(crate) fn cut(bitmap: &Bitmap, x: u32, y: u32, width: u32, height: u32) -> Bitmap {
    let channels = bitmap.layout.channels();
    let (from, length) = (x as usize * channels, width as usize * channels);
    let rows = bitmap.rows().skip(y as usize).take(height as usize);
    let mut pixels = Vec::with_capacity(length * height as usize);
    rows.for_each(|row| pixels.extend_from_slice(&row[from..from + length]));
    Bitmap { width, height, layout: bitmap.layout, pixels }
}

/// The part without what rounding has moved out of the picture; `None` if nothing remains.
fn inside(part: Region, bitmap: &Bitmap) -> Option<Region> {
    let axis = |from: f64, extent: f64, side: u32| {
        let start = from.clamp(0.0, f64::from(side));
        let extent = (from + extent).min(f64::from(side)) - start;
        (extent > 0.0).then_some((start, extent))
    };
    let (x, width) = axis(part.x, part.width, bitmap.width)?;
    let (y, height) = axis(part.y, part.height, bitmap.height)?;
    Some(Region { x, y, width, height })
}

fn is_cut(part: Region, width: u32, height: u32) -> bool {
    part.x.fract() == 0.0 && part.y.fract() == 0.0 && part.width == f64::from(width) && part.height == f64::from(height)
}

fn resampled(bitmap: &Bitmap, part: Region, width: u32, height: u32, linear_light: bool) -> Result<Bitmap, ImageError> {
    // Only the pixels that the kernel reaches are looked at: multiplying opacities and colours takes longer than scaling.
    let (left, columns) = reached(part.x, part.width, width, bitmap.width);
    let (top, rows) = reached(part.y, part.height, height, bitmap.height);
    let window = Window { left, top, columns, rows };
    // Opaque pictures need no weights, and most pictures with opacity samples are opaque.
    let options = ResizeOptions::new()
        .crop(part.x - f64::from(left), part.y - f64::from(top), part.width, part.height)
        .use_alpha(bitmap.has_transparency());
    let resample = match (bitmap.layout, linear_light) {
        (Layout::Gray, false) => by_samples::<U8>,
        (Layout::Rgb, false) => by_samples::<U8x3>,
        (Layout::Rgba, false) => by_samples::<U8x4>,
        (Layout::Gray, true) => by_light::<U16>,
        (Layout::Rgb, true) => by_light::<U16x3>,
        (Layout::Rgba, true) => by_light::<U16x4>,
    };
    let pixels = resample(bitmap, window, width, height, &options)?;
    Bitmap::new(width, height, bitmap.layout, pixels).ok_or(ImageError::OutputTooLarge)
}

/// The pixels of a picture that are looked at.
struct Window {
    left: u32,
    top: u32,
    columns: u32,
    rows: u32,
}

/// Scales the samples as they are.
fn by_samples<P: PixelTrait>(
    bitmap: &Bitmap,
    window: Window,
    width: u32,
    height: u32,
    options: &ResizeOptions,
) -> Result<Vec<u8>, ImageError> {
    let source = TypedImageRef::<P>::from_buffer(bitmap.width, bitmap.height, &bitmap.pixels).map_err(unexpected)?;
    let mut pixels = vec![0; width as usize * height as usize * bitmap.layout.channels()];
    let mut target = TypedImage::<P>::from_buffer(width, height, &mut pixels).map_err(unexpected)?;
    resize(&source, window, &mut target, options)?;
    Ok(pixels)
}

/// Scales the light that the samples stand for; `P` has 16 bits for each.
fn by_light<P: PixelTrait>(
    bitmap: &Bitmap,
    window: Window,
    width: u32,
    height: u32,
    options: &ResizeOptions,
) -> Result<Vec<u8>, ImageError> {
    let Window { left, top, columns, rows } = window;
    let kind = match bitmap.layout {
        Layout::Gray => PixelType::U8,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba => PixelType::U8x4,
    };
    let source = ImageRef::new(bitmap.width, bitmap.height, &bitmap.pixels, kind).map_err(unexpected)?;
    let source = CroppedImage::new(&source, left, top, columns, rows).map_err(unexpected)?;
    let (mut light, mut scaled) =
        (Image::new(columns, rows, P::pixel_type()), Image::new(width, height, P::pixel_type()));
    LIGHT.forward_map(&source, &mut light).map_err(unexpected)?;
    if let Some((light, mut scaled)) = light.typed_image::<P>().zip(scaled.typed_image_mut::<P>()) {
        resize(&light, Window { left: 0, top: 0, ..window }, &mut scaled, options)?;
    }
    let mut target = Image::new(width, height, kind);
    LIGHT.backward_map(&scaled, &mut target).map_err(unexpected)?;
    Ok(target.into_vec())
}

fn resize<P: PixelTrait>(
    source: &TypedImageRef<'_, P>,
    Window { left, top, columns, rows }: Window,
    target: &mut TypedImage<'_, P>,
    options: &ResizeOptions,
) -> Result<(), ImageError> {
    let source = TypedCroppedImage::from_ref(source, left, top, columns, rows).map_err(unexpected)?;
    RESIZER.with_borrow_mut(|resizer| {
        let done = resizer.resize_typed(&source, target, options).map_err(unexpected);
        if resizer.size_of_internal_buffers() > KEPT_SCRATCH {
            resizer.reset_internal_buffers();
        }
        done
    })
}

/// The first pixel and the number of pixels that a line of `size` pixels is made of.
fn reached(from: f64, extent: f64, size: u32, side: u32) -> (u32, u32) {
    let reach = REACH * (extent / f64::from(size.max(1))).max(1.0) + 1.0;
    let first = (from - reach).floor().max(0.0) as u32;
    let end = ((from + extent + reach).ceil() as u32).min(side);
    (first, end - first)
}

/// Sides and layouts are right by construction.
fn unexpected(error: impl std::fmt::Display) -> ImageError {
    ImageError::Unsupported(error.to_string())
}

#[cfg(test)]
mod tests;
