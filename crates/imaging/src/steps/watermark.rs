//! `watermark`: one picture on top of another (spec 11 §5.1).

use stowage_core::tasks::{End, Task};

use super::{
    Bounds, Overlays, Step,
    alpha::lay,
    overlay,
    scale::{cut, scale},
    values,
};
use crate::{Bitmap, ImageError, Layout, Region};

struct Watermark {
    /// In the size that it is shown in.
    picture: Bitmap,
    vertical: End,
    horizontal: End,
}

pub(super) fn step(task: &Task, bounds: Bounds, overlays: &mut Overlays<'_>) -> Result<Box<dyn Step>, ImageError> {
    let picture = overlay::read(overlays.next_file()?, None, false, &overlays.limits)?;
    let percent = values::number(task, "size");
    let side = |side: u32| (f64::from(side) * percent / 100.0).round().max(1.0) as u32;
    let (width, height) = (side(picture.width), side(picture.height));
    bounds.check(width, height)?;
    let whole = Region::whole(picture.width, picture.height);
    let picture = scale(&picture, whole, width, height, false)?;
    let (vertical, horizontal) = values::ends(task, "position");
    Ok(Box::new(Watermark { picture, vertical, horizontal }))
}

impl Step for Watermark {
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        let opaque = bitmap.layout != Layout::Rgba;
        let (left, from_x, width) = overlap(bitmap.width, self.picture.width, self.horizontal);
        let (top, from_y, height) = overlap(bitmap.height, self.picture.height, self.vertical);
        let visible = cut(&self.picture, from_x, from_y, width, height);
        let mut bitmap = bitmap.into_rgba();
        lay(&mut bitmap, &visible, left, top);
        // What was opaque below stays so.
        Ok(if opaque { bitmap.flattened([u8::MAX; 3]) } else { bitmap })
    }
}

/// Where a picture begins on a base, what part of it is seen (from where), and how much of it.
fn overlap(base: u32, picture: u32, end: End) -> (u32, u32, u32) {
    if picture <= base {
        (values::begin(base - picture, end), 0, picture)
    } else {
        (0, values::begin(picture - base, end), base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_than_its_base_is_cut_at_the_edges() {
        assert_eq!(overlap(100, 20, End::Start), (0, 0, 20));
        assert_eq!(overlap(100, 20, End::Middle), (40, 0, 20));
        assert_eq!(overlap(100, 20, End::Far), (80, 0, 20));
        assert_eq!(overlap(20, 100, End::Start), (0, 0, 20));
        assert_eq!(overlap(20, 100, End::Middle), (0, 40, 20));
        assert_eq!(overlap(20, 100, End::Far), (0, 80, 20));
    }
}
