//! HEIC by the system's libheif, if there is one. It gives upright pixels; only the primary image of a file is shown.
#![expect(unsafe_code, reason = "libheif is found at run time and called directly")]

use std::{
    ffi::{CStr, c_int, c_void},
    marker::PhantomData,
    ptr, slice,
};

use self::library::{Library, Status};
use super::{Header, Opened, Wish, still};
use crate::{Bitmap, Format, ImageError, Layout, Limits, Metadata, Orientation};

mod library;
#[cfg(test)]
mod tests;

/// Most bytes of a profile or a block of metadata.
const MOST_METADATA: usize = 4 << 20;

/// Whether HEIC can be read on this machine.
pub fn is_available() -> bool {
    library::library().is_some()
}

/// Looks for libheif now. To be called before the process gives up the right to open files.
pub fn prepare() {
    is_available();
}

/// Reads the header, and prepares the only frame.
pub(super) fn open<'a>(bytes: &'a [u8], _wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    let primary = Primary::open(bytes, limits)?;
    let (header, metadata) = (primary.header(limits)?, primary.metadata());
    let wanted = header.clone();
    Ok(still::opened(header, metadata, move || primary.decode(&wanted)))
}

/// What the header says, without any pixel.
pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    Primary::open(bytes, limits)?.header(limits)
}

fn broken(what: &str) -> ImageError {
    ImageError::Broken(format!("HEIC: {what}"))
}

fn succeeded(status: Status) -> Result<(), ImageError> {
    if status.code == 0 {
        return Ok(());
    }
    if status.message.is_null() {
        return Err(broken("unknown error"));
    }
    // SAFETY: messages end in zero, and live as long as the context, which the caller holds.
    let message = unsafe { CStr::from_ptr(status.message) }.to_string_lossy();
    Err(if status.detail == library::SECURITY_LIMIT {
        ImageError::TooLarge(message.into_owned())
    } else {
        broken(&message)
    })
}

/// The image that a file shows first, with the context it belongs to.
struct Primary<'a> {
    library: &'static Library,
    context: *mut c_void,
    handle: *mut c_void,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Primary<'a> {
    fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, ImageError> {
        let library = library::library().ok_or(ImageError::Missing("libheif"))?;
        // SAFETY: makes a context, or gives null.
        let context = unsafe { (library.new_context)() };
        if context.is_null() {
            return Err(broken("no memory"));
        }
        let mut primary = Self { library, context, handle: ptr::null_mut(), bytes: PhantomData };
        // No side may be longer than a picture that is one pixel high could be, nor than any format needs.
        let longest = c_int::try_from(limits.max_pixels).unwrap_or(c_int::MAX).clamp(1, 65_535);
        // SAFETY: the context lives, and so do the bytes until it is freed; the handle is ours then.
        unsafe {
            (library.limit_sides)(context, longest);
            succeeded((library.read)(context, bytes.as_ptr().cast(), bytes.len(), ptr::null()))?;
            succeeded((library.primary)(context, &mut primary.handle))?;
        }
        if primary.handle.is_null() { Err(broken("no image")) } else { Ok(primary) }
    }

    fn header(&self, limits: &Limits) -> Result<Header, ImageError> {
        // SAFETY: the handle lives.
        let (width, height, alpha) = unsafe {
            (
                (self.library.width)(self.handle),
                (self.library.height)(self.handle),
                (self.library.has_alpha)(self.handle),
            )
        };
        let side = |pixels: c_int| u32::try_from(pixels).ok().filter(|pixels| *pixels > 0);
        let (width, height) = side(width).zip(side(height)).ok_or_else(|| broken("no pixels"))?;
        still::header(Format::Heic, width, height, alpha != 0, limits)
    }

    fn metadata(&self) -> Metadata {
        let exif = self.block(c"Exif", None).and_then(tiff_structure);
        let xmp = self.block(c"mime", Some(c"application/rdf+xml"));
        let mut metadata = Metadata { icc: self.profile(), exif, xmp, orientation: Orientation::Upright };
        metadata.set_upright();
        metadata
    }

    fn profile(&self) -> Option<Vec<u8>> {
        // SAFETY: the handle lives.
        let size = unsafe { (self.library.profile_size)(self.handle) };
        // SAFETY: the profile has `size` bytes.
        filled(size, |to| unsafe { (self.library.profile)(self.handle, to) })
    }

    /// The first block of metadata of a kind, and of a media type if one is named.
    fn block(&self, kind: &CStr, media_type: Option<&CStr>) -> Option<Vec<u8>> {
        let mut ids = [0; 16];
        // SAFETY: the handle lives, the kind ends in zero, and no more identifiers are written than there is room for.
        let count = unsafe { (self.library.blocks)(self.handle, kind.as_ptr(), ids.as_mut_ptr(), ids.len() as c_int) };
        let ids = &ids[..usize::try_from(count).unwrap_or(0).min(ids.len())];
        let id = ids.iter().copied().find(|id| media_type.is_none_or(|wanted| self.is_of_type(*id, wanted)))?;
        // SAFETY: the handle lives, and the identifier is one of its.
        let size = unsafe { (self.library.block_size)(self.handle, id) };
        // SAFETY: the block has `size` bytes.
        filled(size, |to| unsafe { (self.library.block)(self.handle, id, to) })
    }

    fn is_of_type(&self, id: u32, wanted: &CStr) -> bool {
        // SAFETY: the handle lives, and lends a text that ends in zero, or null.
        unsafe {
            let text = (self.library.block_type)(self.handle, id);
            !text.is_null() && CStr::from_ptr(text) == wanted
        }
    }

    fn decode(&self, header: &Header) -> Result<Bitmap, ImageError> {
        let (layout, chroma) = if header.alpha {
            (Layout::Rgba, library::INTERLEAVED_RGBA)
        } else {
            (Layout::Rgb, library::INTERLEAVED_RGB)
        };
        let mut image = Image { library: self.library, raw: ptr::null_mut() };
        // SAFETY: the handle lives; the image is ours then. No options: transformations are applied.
        succeeded(unsafe {
            (self.library.decode)(self.handle, &mut image.raw, library::COLOUR_SPACE_RGB, chroma, ptr::null())
        })?;
        image.bitmap(layout, header.width, header.height)
    }
}

impl Drop for Primary<'_> {
    fn drop(&mut self) {
        // SAFETY: handle (if any) and context are ours, and are given back once, in this order.
        unsafe {
            if !self.handle.is_null() {
                (self.library.release_handle)(self.handle);
            }
            (self.library.free_context)(self.context);
        }
    }
}

/// Bytes that a function writes; `None` if there are none, too many, or it fails.
fn filled(size: usize, write: impl FnOnce(*mut c_void) -> Status) -> Option<Vec<u8>> {
    if size == 0 || size > MOST_METADATA {
        return None;
    }
    let mut bytes = vec![0; size];
    succeeded(write(bytes.as_mut_ptr().cast())).ok().map(|()| bytes)
}

/// EXIF without what HEIF puts before the TIFF structure: the number of bytes to skip after that number.
fn tiff_structure(block: Vec<u8>) -> Option<Vec<u8>> {
    let (skip, rest) = block.split_first_chunk::<4>()?;
    let exif = rest.get(u32::from_be_bytes(*skip) as usize..)?;
    (exif.starts_with(b"II") || exif.starts_with(b"MM")).then(|| exif.to_vec())
}

/// A decoded image.
struct Image {
    library: &'static Library,
    raw: *mut c_void,
}

impl Image {
    fn bitmap(&self, layout: Layout, width: u32, height: u32) -> Result<Bitmap, ImageError> {
        let mut stride = 0;
        // SAFETY: the image lives, and lends its pixels.
        let (plane, sides, depth) = unsafe {
            let channel = library::CHANNEL_INTERLEAVED;
            let sides = [self.library.image_width, self.library.image_height].map(|side| side(self.raw, channel));
            ((self.library.plane)(self.raw, channel, &mut stride), sides, (self.library.depth)(self.raw, channel))
        };
        let row = width as usize * layout.channels();
        let stride = usize::try_from(stride).ok().filter(|stride| *stride >= row);
        let sides = sides.map(|side| u32::try_from(side).unwrap_or(0));
        let Some(stride) = stride.filter(|_| !plane.is_null() && sides == [width, height] && depth == 8) else {
            return Err(broken("the pixels are not what the header says"));
        };
        let mut pixels = Vec::with_capacity(row * height as usize);
        for y in 0..height as usize {
            // SAFETY: the plane has `height` rows, `stride` bytes apart, of at least `row` bytes.
            pixels.extend_from_slice(unsafe { slice::from_raw_parts(plane.add(y * stride), row) });
        }
        Bitmap::new(width, height, layout, pixels).ok_or_else(|| broken("no pixels"))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: the image is ours, and is given back once.
            unsafe { (self.library.release_image)(self.raw) }
        }
    }
}
