//! Which pixels are decoded, and at which scale.

use crate::{Region, decode::Wish, jpeg::Head};

/// Pixels of the result that are decoded around the wished part: at a cut the smoothing of halved colour lacks its neighbours.
const MARGIN: u32 = 2;

/// A part of the scaled picture. All but `scale` count scaled pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Stored pixels to a side of a scaled one: 1, 2, 4 or 8. Other scales have no fast transforms.
    pub(super) scale: u32,
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Geometry {
    pub(super) fn for_wish(head: &Head<'_>, wish: &Wish) -> Self {
        let whole = Region::whole(head.width, head.height);
        let region = wish.region.and_then(|region| common(region, whole)).unwrap_or(whole);
        let enough = |scale: &u32| {
            wish.scaled_to.is_some_and(|(width, height)| {
                let left = |side: f64, wanted: u32| side / f64::from(*scale) >= wish.spare * f64::from(wanted.max(1));
                left(region.width, width) && left(region.height, height)
            })
        };
        let scale = [8, 4, 2].into_iter().find(enough).unwrap_or(1);
        // The library cuts off columns only in whole units.
        let unit = 8 / scale * head.unit_width();
        let (left, width) = span(region.x, region.width, head.width, scale, unit);
        let (top, height) = span(region.y, region.height, head.height, scale, 1);
        Self { scale, left, top, width, height }
    }

    /// The part in stored pixels. At the right and at the bottom it may end up to seven pixels beyond the picture, as scaled pixels do.
    pub(super) fn shows(&self) -> Region {
        let stored = |pixels: u32| f64::from(pixels * self.scale);
        Region { x: stored(self.left), y: stored(self.top), width: stored(self.width), height: stored(self.height) }
    }
}

/// First pixel and number of pixels of a scaled side that has `stored` pixels before scaling.
fn span(start: f64, length: f64, stored: u32, scale: u32, unit: u32) -> (u32, u32) {
    let side = stored.div_ceil(scale);
    let first = ((start / f64::from(scale)) as u32).saturating_sub(MARGIN) / unit * unit;
    let end = (((start + length) / f64::from(scale)).ceil() as u32).saturating_add(MARGIN).min(side);
    (first, end - first)
}

/// The part of a region that lies in the picture, if any does.
fn common(region: Region, picture: Region) -> Option<Region> {
    let (x, y) = (region.x.max(0.0), region.y.max(0.0));
    let width = (region.x + region.width).min(picture.width) - x;
    let height = (region.y + region.height).min(picture.height) - y;
    (width > 0.0 && height > 0.0).then_some(Region { x, y, width, height })
}
