//! Size of an image by its header.

use imagesize::{Compression, ImageType};

/// No format that is served has longer sides; greater numbers come from text or broken files taken for images.
const MAX_SIDE: usize = 1 << 24;

/// Width and height in pixels as displayed by the file's header (not turned by EXIF orientation); `None` if it is not an image or the slice is too short.
pub fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    let size = match imagesize::image_type(bytes).ok()? {
        ImageType::Bmp => return bitmap_size(bytes),
        // The rest is guessed from too little (TGA, PNM) or is no picture for people (textures): its numbers mean nothing.
        ImageType::Exr
        | ImageType::Gif
        | ImageType::Hdr
        | ImageType::Heif(Compression::Av1 | Compression::Hevc | Compression::Jpeg)
        | ImageType::Ico
        | ImageType::Jpeg
        | ImageType::Jxl
        | ImageType::Png
        | ImageType::Psd
        | ImageType::Qoi
        | ImageType::Tiff
        | ImageType::Webp => imagesize::blob_size(bytes).ok()?,
        _ => return None,
    };
    Some((sane_side(size.width)?, sane_side(size.height)?))
}

/// A negative height says that the rows run from top to bottom.
fn bitmap_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| {
        let field = bytes.get(at..)?.first_chunk()?;
        sane_side(i32::from_le_bytes(*field).unsigned_abs() as usize)
    };
    Some((side(18)?, side(22)?))
}

fn sane_side(pixels: usize) -> Option<u32> {
    let sane = (1..=MAX_SIDE).contains(&pixels);
    u32::try_from(pixels).ok().filter(|_| sane)
}
