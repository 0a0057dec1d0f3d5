//! SVG by `resvg`, drawn at the size that is wanted.
//!
//! Nothing outside the file is looked at: no files, no network, no system fonts, no SVG inside SVG.

mod survey;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, Group, ImageHrefResolver, ImageKind, Node, Options, Tree, fontdb, roxmltree};

use super::{Header, Opened, Wish, still};
use crate::{Bitmap, Format, ImageError, Layout, Limits, Metadata, Region};

/// Dots per inch at which a pixel of an SVG is a pixel.
const DENSITY: f64 = 96.0;
/// Most bytes of a file.
const MAX_BYTES: usize = 32 << 20;
/// Most canvases in memory at once, in multiples of the largest picture that the limits let through.
const MAX_CANVASES: u64 = 4;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(crate::font::FONT.to_vec());
    // Whatever family is asked for, this font is what there is.
    let family = "DejaVu Sans";
    fonts.set_serif_family(family);
    fonts.set_sans_serif_family(family);
    fonts.set_cursive_family(family);
    fonts.set_fantasy_family(family);
    fonts.set_monospace_family(family);
    Arc::new(fonts)
});

pub(super) fn header(bytes: &[u8], wish: &Wish, limits: &Limits) -> Result<Header, ImageError> {
    Ok(open(bytes, wish, limits)?.header)
}

pub(super) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    still::guarded(|| {
        let tree = tree(bytes, limits)?;
        let density = wish.density.unwrap_or(DENSITY) / DENSITY;
        let side = |length: f32| (f64::from(length) * density).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        let header = still::header(Format::Svg, side(tree.size().width()), side(tree.size().height()), true, limits)?;
        let (width, height) = drawn_size(&header, wish, limits);
        let pixels = u64::from(width) * u64::from(height);
        if (1 + layers(tree.root())).saturating_mul(pixels) > MAX_CANVASES.saturating_mul(limits.max_pixels) {
            return Err(ImageError::TooLarge("too many layers".to_owned()));
        }
        Ok(still::opened(header, Metadata::default(), move || draw(&tree, width, height)))
    })
}

/// Pixels at which to draw so that the part which is looked at covers what is wished for.
fn drawn_size(header: &Header, wish: &Wish, limits: &Limits) -> (u32, u32) {
    let (width, height) = (f64::from(header.width), f64::from(header.height));
    let Some(wanted) = wish.scaled_to else { return (header.width, header.height) };
    let part = wish.region.unwrap_or(Region::whole(header.width, header.height));
    let factor = (f64::from(wanted.0) / part.width).max(f64::from(wanted.1) / part.height);
    let largest = (limits.max_pixels as f64 / (width * height)).sqrt();
    let factor = if factor.is_finite() { factor.min(largest) } else { 1.0 };
    // A little less than what is to be covered does not call for a whole pixel more.
    let side = |length: f64| ((length * factor - 1e-6).ceil() as u32).max(1);
    (side(width), side(height))
}

fn draw(tree: &Tree, width: u32, height: u32) -> Result<Bitmap, ImageError> {
    let broken = || ImageError::TooLarge(format!("{width}x{height} pixels"));
    let mut canvas = Pixmap::new(width, height).ok_or_else(broken)?;
    let scale = Transform::from_scale(width as f32 / tree.size().width(), height as f32 / tree.size().height());
    resvg::render(tree, scale, &mut canvas.as_mut());
    Bitmap::new(width, height, Layout::Rgba, canvas.take_demultiplied()).ok_or_else(broken)
}

/// What the file says, if it is harmless.
fn tree(bytes: &[u8], limits: &Limits) -> Result<Tree, ImageError> {
    if bytes.len() > MAX_BYTES {
        return Err(ImageError::TooLarge(format!("an SVG of {} bytes", bytes.len())));
    }
    let broken = |error: &dyn std::fmt::Display| ImageError::Broken(error.to_string());
    let text = std::str::from_utf8(bytes).map_err(|error| broken(&error))?;
    survey::nesting(text)?;
    let parsing = roxmltree::ParsingOptions {
        allow_dtd: true,
        nodes_limit: survey::MAX_ELEMENTS,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(text, parsing).map_err(|error| broken(&error))?;
    survey::cost(&document)?;
    let left = AtomicU64::new(limits.max_pixels);
    let options = Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, data, _| embedded(data, &left, limits)),
            resolve_string: Box::new(|_, _| None),
        },
        font_family: "DejaVu Sans".to_owned(),
        fontdb: FONTS.clone(),
        ..Options::default()
    };
    Tree::from_xmltree(&document, &options).map_err(|error: usvg::Error| broken(&error))
}

/// The same drawing with nothing in it but shapes: no scripts, no links, nothing that is loaded from elsewhere.
pub(super) fn harmless(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, ImageError> {
    still::guarded(|| Ok(tree(bytes, limits)?.to_string(&usvg::WriteOptions::default()).into_bytes()))
}

/// A picture inside the SVG. All of them together may have no more pixels than `left`.
fn embedded(data: Arc<Vec<u8>>, left: &AtomicU64, limits: &Limits) -> Option<ImageKind> {
    let format = Format::of(&data)?;
    if !matches!(format, Format::Jpeg | Format::Png | Format::Gif | Format::WebP) {
        return None;
    }
    let header = super::header(&data, &Wish::default(), limits).ok()?;
    let pixels = u64::from(header.width) * u64::from(header.height);
    left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(pixels)).ok()?;
    Some(match format {
        Format::Jpeg => ImageKind::JPEG(data),
        Format::Png => ImageKind::PNG(data),
        Format::Gif => ImageKind::GIF(data),
        _ => ImageKind::WEBP(data),
    })
}

/// Most canvases that are drawn one inside the other.
fn layers(group: &Group) -> u64 {
    let masks = if group.mask().is_some() || group.clip_path().is_some() { 2 } else { 0 };
    let own = u64::from(group.should_isolate()) + masks + 3 * group.filters().len() as u64;
    let inside = group.children().iter().map(|child| if let Node::Group(group) = child { layers(group) } else { 0 });
    own + inside.max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
