//! From the planes of a decoded AVIF image to pixels.

use std::slice;

use libavif_sys as avif;

use super::{super::still, broken, is_gray, yuv};
use crate::{Bitmap, ImageError, Layout};

/// The image in eight bits, as stored.
pub(super) fn bitmap(image: &avif::avifImage) -> Result<Bitmap, ImageError> {
    if image.width == 0 || image.height == 0 || image.yuvPlanes[0].is_null() {
        return Err(broken("no pixels"));
    }
    let alpha = !image.alphaPlane.is_null();
    let layout = match (alpha, is_gray(image)) {
        (true, _) => Layout::Rgba,
        (false, true) => Layout::Gray,
        (false, false) => Layout::Rgb,
    };
    let mut pixels = vec![0; image.width as usize * image.height as usize * layout.channels()];
    match yuv::Matrix::of(image) {
        Some(matrix) => convert(image, &matrix, layout, &mut pixels),
        None => convert_elsewhere(image, layout, &mut pixels)?,
    }
    Bitmap::new(image.width, image.height, layout, pixels).ok_or_else(|| broken("no pixels"))
}

/// Profile for colours that the file describes by numbers (CICP) only; `None` for those of sRGB, and where the numbers are not known.
pub(super) fn profile_of(primaries: u16, transfer: u16) -> Option<Vec<u8>> {
    let standard = matches!(
        u32::from(transfer),
        avif::AVIF_TRANSFER_CHARACTERISTICS_BT709
            | avif::AVIF_TRANSFER_CHARACTERISTICS_UNSPECIFIED
            | avif::AVIF_TRANSFER_CHARACTERISTICS_BT601
            | avif::AVIF_TRANSFER_CHARACTERISTICS_SRGB
            | avif::AVIF_TRANSFER_CHARACTERISTICS_BT2020_10BIT
            | avif::AVIF_TRANSFER_CHARACTERISTICS_BT2020_12BIT
    );
    let profile = match u32::from(primaries) {
        avif::AVIF_COLOR_PRIMARIES_SMPTE432 => moxcms::ColorProfile::new_display_p3(),
        avif::AVIF_COLOR_PRIMARIES_BT2020 => moxcms::ColorProfile::new_bt2020(),
        _ => return None,
    };
    if standard { profile.encode().ok() } else { None }
}

/// A part that lies inside of the bitmap.
pub(super) fn cropped(bitmap: Bitmap, x: u32, y: u32, width: u32, height: u32) -> Bitmap {
    if (width, height) == (bitmap.width, bitmap.height) {
        return bitmap;
    }
    let channels = bitmap.layout.channels();
    let (start, end) = (x as usize * channels, (x + width) as usize * channels);
    let rows = bitmap.rows().skip(y as usize).take(height as usize);
    let pixels = rows.flat_map(|row| &row[start..end]).copied().collect();
    Bitmap { width, height, pixels, layout: bitmap.layout }
}

/// One plane of samples.
#[derive(Clone, Copy)]
struct Plane {
    data: *const u8,
    row_bytes: usize,
    width: usize,
    height: usize,
    /// Bits of a sample, of which more than eight take two bytes.
    depth: u32,
}

impl Plane {
    fn of(image: &avif::avifImage, channel: u32) -> Option<Self> {
        // SAFETY: the functions read the image only; planes are allocated with the sides and row lengths they give.
        unsafe {
            let data = avif::avifImagePlane(image, channel as i32);
            let plane = Self {
                data,
                row_bytes: avif::avifImagePlaneRowBytes(image, channel as i32) as usize,
                width: avif::avifImagePlaneWidth(image, channel as i32) as usize,
                height: avif::avifImagePlaneHeight(image, channel as i32) as usize,
                depth: image.depth,
            };
            let sample = if image.depth > 8 { 2 } else { 1 };
            let sound =
                !data.is_null() && plane.height > 0 && plane.width > 0 && plane.width * sample <= plane.row_bytes;
            sound.then_some(plane)
        }
    }

    /// Copies a row, rounded to eight bits; a row below the last is the last.
    fn read(&self, row: usize, to: &mut [u8]) {
        let offset = row.min(self.height - 1) * self.row_bytes;
        let width = self.width.min(to.len());
        if self.depth == 8 {
            // SAFETY: the row lies in the plane, and has `width` bytes or more.
            to[..width].copy_from_slice(unsafe { slice::from_raw_parts(self.data.add(offset), width) });
            return;
        }
        // SAFETY: the row lies in the plane, and has `width` samples of two bytes or more; rows of such planes are aligned by libavif.
        let samples = unsafe { slice::from_raw_parts(self.data.add(offset).cast::<u16>(), width) };
        let (half, shift) = (1 << (self.depth - 9), self.depth - 8);
        for (to, sample) in to.iter_mut().zip(samples) {
            *to = ((u32::from(*sample) + half) >> shift).min(255) as u8;
        }
    }
}

fn convert(image: &avif::avifImage, matrix: &yuv::Matrix, layout: Layout, pixels: &mut [u8]) {
    let width = image.width as usize;
    let [Some(luma), u, v, alpha] = [avif::AVIF_CHAN_Y, avif::AVIF_CHAN_U, avif::AVIF_CHAN_V, avif::AVIF_CHAN_A]
        .map(|channel| Plane::of(image, channel))
    else {
        return;
    };
    let mut chroma = u.zip(v).map(|(u, v)| [Chroma::new(u, width), Chroma::new(v, width)]);
    let (mut levels, mut opacity) = (vec![0; width], vec![255; width]);
    for (y, row) in pixels.chunks_exact_mut(width * layout.channels()).enumerate() {
        luma.read(y, &mut levels);
        if layout == Layout::Gray {
            matrix.to_gray(&levels, row);
            continue;
        }
        if let Some(alpha) = alpha {
            alpha.read(y, &mut opacity);
        }
        let halved = usize::from(image.yuvFormat == avif::AVIF_PIXEL_FORMAT_YUV420);
        let [u, v] = match &mut chroma {
            Some(planes) => planes.each_mut().map(|plane| plane.row(y, halved == 1)),
            None => [&[][..]; 2],
        };
        match layout {
            Layout::Rgba => matrix.to_rgba(&levels, u, v, &opacity, row),
            Layout::Gray | Layout::Rgb => matrix.to_rgb(&levels, u, v, row),
        }
        if image.alphaPremultiplied != 0 && layout == Layout::Rgba {
            still::unpremultiply(row);
        }
    }
}

/// Rows of a colour difference, brought to the width of the picture.
struct Chroma {
    plane: Plane,
    near: Vec<u8>,
    far: Vec<u8>,
    blended: Vec<u16>,
    full: Vec<u8>,
}

impl Chroma {
    fn new(plane: Plane, width: usize) -> Self {
        let row = vec![0; plane.width];
        Self { plane, near: row.clone(), far: row, blended: vec![0; plane.width], full: vec![0; width] }
    }

    /// The samples beside row `y` of the picture. `halved`: a row of the plane stands for two of the picture.
    fn row(&mut self, y: usize, halved: bool) -> &[u8] {
        if self.plane.width == self.full.len() && !halved {
            self.plane.read(y, &mut self.full);
            return &self.full;
        }
        let (near, far) = match (halved, y % 2) {
            (false, _) => (y, y),
            (true, 0) => (y / 2, (y / 2).saturating_sub(1)),
            (true, _) => (y / 2, y / 2 + 1),
        };
        self.plane.read(near, &mut self.near);
        self.plane.read(far, &mut self.far);
        yuv::blend(&self.near, &self.far, &mut self.blended);
        yuv::widen(&self.blended, &mut self.full);
        &self.full
    }
}

/// For colours that are no matter of a plain matrix: slower, by libavif.
fn convert_elsewhere(image: &avif::avifImage, layout: Layout, pixels: &mut [u8]) -> Result<(), ImageError> {
    let mut rgb = avif::avifRGBImage::default();
    // SAFETY: fills in plain values.
    unsafe { avif::avifRGBImageSetDefaults(&mut rgb, image) };
    rgb.depth = 8;
    rgb.format = if layout == Layout::Rgba { avif::AVIF_RGB_FORMAT_RGBA } else { avif::AVIF_RGB_FORMAT_RGB };
    rgb.maxThreads = 1;
    let mut colours = match layout {
        Layout::Gray => vec![0; pixels.len() * 3],
        Layout::Rgb | Layout::Rgba => Vec::new(),
    };
    let target = if layout == Layout::Gray { colours.as_mut_slice() } else { &mut *pixels };
    rgb.pixels = target.as_mut_ptr();
    rgb.rowBytes = (target.len() / image.height as usize) as u32;
    // SAFETY: `target` has `height` rows of `rowBytes`, which are `width` pixels of the format.
    let result = unsafe { avif::avifImageYUVToRGB(image, &mut rgb) };
    if result != avif::AVIF_RESULT_OK {
        return Err(broken("colours that cannot be converted"));
    }
    if layout == Layout::Gray {
        pixels.iter_mut().zip(colours.chunks_exact(3)).for_each(|(level, colour)| *level = colour[1]);
    }
    Ok(())
}
