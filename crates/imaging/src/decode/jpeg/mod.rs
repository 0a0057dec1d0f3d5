//! JPEG (ITU-T T.81), with as little work as the wish allows: scaled inverse transforms, only the part that is looked at, and of progressive files
//! only the scans that can be seen at that scale.

mod geometry;
mod pixels;
mod scans;
#[cfg(test)]
mod tests;

use geometry::Geometry;

use super::{Header, Opened, Wish, still};
use crate::{
    Bitmap, Format, ImageError, Layout, Limits, Metadata, colour, exif,
    jpeg::{Head, entropy::Scan},
};

/// What the header says, without anything decoded.
pub(crate) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    summary(&Head::read(bytes)?, limits)
}

pub(crate) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    let head = Head::read(bytes)?;
    let header = summary(&head, limits)?;
    let geometry = Geometry::for_wish(&head, wish);
    let metadata = Metadata {
        // What is CMYK becomes sRGB.
        icc: head.icc().filter(|_| head.components.len() < 4),
        exif: head.exif.map(<[u8]>::to_vec),
        xmp: head.xmp.map(<[u8]>::to_vec),
        orientation: head.exif.map(exif::orientation).unwrap_or_default(),
    };
    let still = still::opened(header, metadata, move || bitmap(bytes, &head, &geometry));
    Ok(Opened { shows: geometry.shows(), ..still })
}

fn summary(head: &Head<'_>, limits: &Limits) -> Result<Header, ImageError> {
    let header = still::header(Format::Jpeg, head.width, head.height, false, limits)?;
    Ok(Header { quality: head.quality, progressive: head.progressive, ..header })
}

fn bitmap(bytes: &[u8], head: &Head<'_>, geometry: &Geometry) -> Result<Bitmap, ImageError> {
    let pieces = scans::needed(bytes, head, geometry.scale)?;
    let pixels = pixels::decode(pieces, Scan::of(bytes, head), head, geometry)?;
    let (layout, pixels) = match head.components.len() {
        1 => (Layout::Gray, pixels),
        3 => (Layout::Rgb, pixels),
        _ => (Layout::Rgb, colour::cmyk_to_rgb(&pixels, head.icc().as_deref(), head.adobe)),
    };
    let bitmap = Bitmap::new(geometry.width, geometry.height, layout, pixels);
    bitmap.ok_or_else(|| ImageError::Broken("rows are missing".to_owned()))
}
