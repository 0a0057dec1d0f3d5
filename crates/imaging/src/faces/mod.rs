//! Where faces are in a picture (spec 11 §2).

mod layers;
mod network;

use network::Sight;

use crate::{Bitmap, Layout, Region, steps::scale::scale};

/// Longest side of the copy that is looked at.
const COPY_SIDE: u32 = 640;
/// The same for a second look, which finds the small faces of a group or of a wide view.
const FINE_COPY_SIDE: u32 = 1280;
/// A face that is lower than this on the first copy has others behind it that are too small there.
const SMALL_FACE: f32 = 40.0;
/// Sights below this are of other things as often as of faces.
const LEAST_SCORE: f32 = 0.7;
/// Sights that share more than this part of their joint area are of one face.
const MOST_OVERLAP: f32 = 0.3;

/// A face in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Face {
    /// From forehead to chin, in whole pixels, inside the picture.
    pub area: Region,
    /// How sure it is that this is a face: 0 to 1.
    pub score: f32,
    /// Middles of the eyes: x and y.
    pub eyes: [(f64, f64); 2],
}

/// The faces of a picture, from left to right, those above each other from top to bottom.
pub(crate) fn detect(bitmap: &Bitmap) -> Vec<Face> {
    let mut sights = look(bitmap, COPY_SIDE);
    let first_scale = copy_scale(bitmap, COPY_SIDE);
    let lowest = sights.iter().map(|sight| (sight.edges[3] - sight.edges[1]) * first_scale);
    let is_far = sights.is_empty() || lowest.fold(f32::INFINITY, f32::min) < SMALL_FACE;
    if first_scale < 1.0 && is_far {
        sights.extend(look(bitmap, FINE_COPY_SIDE));
    }
    let sights = distinct(sights).into_iter();
    let mut faces: Vec<Face> = sights.filter_map(|sight| face(&sight, bitmap.width, bitmap.height)).collect();
    faces.sort_by(|one, other| one.area.x.total_cmp(&other.area.x).then(one.area.y.total_cmp(&other.area.y)));
    faces
}

/// The smallest rectangle around all faces.
pub(crate) fn bounding(faces: &[Face]) -> Option<Region> {
    let areas = faces.iter().map(|face| face.area);
    areas.reduce(|one, other| {
        let (x, y) = (one.x.min(other.x), one.y.min(other.y));
        let right = (one.x + one.width).max(other.x + other.width);
        let bottom = (one.y + one.height).max(other.y + other.height);
        Region { x, y, width: right - x, height: bottom - y }
    })
}

/// How much smaller a copy is whose sides are at most `side`.
fn copy_scale(bitmap: &Bitmap, side: u32) -> f32 {
    (side as f32 / bitmap.width.max(bitmap.height) as f32).min(1.0)
}

/// What is seen on a copy whose sides are at most `side`, in pixels of the picture itself.
fn look(bitmap: &Bitmap, side: u32) -> Vec<Sight> {
    let factor = copy_scale(bitmap, side);
    let shrunk = |length: u32| ((length as f32 * factor).round() as u32).max(1);
    let (width, height) = (shrunk(bitmap.width), shrunk(bitmap.height));
    let Ok(copy) = scale(bitmap, Region::whole(bitmap.width, bitmap.height), width, height, false) else {
        return Vec::new();
    };
    let (padded_width, padded_height) =
        (width.next_multiple_of(network::GRANULE), height.next_multiple_of(network::GRANULE));
    let enlargement = [bitmap.width as f32 / width as f32, bitmap.height as f32 / height as f32];
    let mut sights =
        network::look(&padded(copy, padded_width, padded_height), padded_width, padded_height, LEAST_SCORE);
    sights.iter_mut().for_each(|sight| sight.enlarge(enlargement));
    sights
}

/// Samples of red, green and blue, with black at the right and below.
fn padded(bitmap: Bitmap, width: u32, height: u32) -> Vec<u8> {
    let bitmap = bitmap.into_colour().flattened([u8::MAX; 3]);
    let stride = width as usize * Layout::Rgb.channels();
    let mut pixels = vec![0; stride * height as usize];
    pixels.chunks_exact_mut(stride).zip(bitmap.rows()).for_each(|(to, row)| to[..row.len()].copy_from_slice(row));
    pixels
}

/// The best sight of each face.
fn distinct(mut sights: Vec<Sight>) -> Vec<Sight> {
    sights.sort_by(|one, other| other.score.total_cmp(&one.score));
    let mut best: Vec<Sight> = Vec::new();
    for sight in sights {
        if best.iter().all(|better| overlap(&better.edges, &sight.edges) <= MOST_OVERLAP) {
            best.push(sight);
        }
    }
    best
}

/// The common area as a part of the joint area.
fn overlap(one: &[f32; 4], other: &[f32; 4]) -> f32 {
    let area = |[left, top, right, bottom]: [f32; 4]| (right - left).max(0.0) * (bottom - top).max(0.0);
    let common = area([one[0].max(other[0]), one[1].max(other[1]), one[2].min(other[2]), one[3].min(other[3])]);
    common / (area(*one) + area(*other) - common)
}

/// `None` for one that lies outside of the picture.
fn face(sight: &Sight, width: u32, height: u32) -> Option<Face> {
    let [left, top, right, bottom] = sight.edges.map(f64::from).map(f64::round);
    let (x, y) = (left.max(0.0), top.max(0.0));
    let (right, bottom) = (right.min(f64::from(width)), bottom.min(f64::from(height)));
    let area = Region { x, y, width: right - x, height: bottom - y };
    let eyes = sight.eyes.map(|[x, y]| (f64::from(x), f64::from(y)));
    (area.width >= 1.0 && area.height >= 1.0).then_some(Face { area, score: sight.score, eyes })
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
