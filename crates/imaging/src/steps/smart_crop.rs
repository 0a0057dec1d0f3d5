//! `smart_crop`: the part of a picture that is worth most, exactly as large as asked for (spec 11 §1.5).

mod interest;

use stowage_core::tasks::{Task, Value};

use super::{Bounds, Step, geometry, scale::cut, values};
use crate::{Bitmap, ImageError, Region, faces};

/// The step; `None` for another task.
///
/// # Errors
/// An object that cannot be recognised, or none where the mode needs one.
pub(super) fn step(task: &Task, bounds: Bounds) -> Result<Option<Box<dyn Step>>, ImageError> {
    if task.name() != "smart_crop" {
        return Ok(None);
    }
    Ok(Some(Box::new(SmartCrop::of(task, bounds)?)))
}

/// What `smart_crop=coords:true` answers: the rectangle that would be cut out, in JSON; `None` for a task that makes a picture.
///
/// # Errors
/// As for [`step`].
pub(crate) fn export(task: &Task, bitmap: &Bitmap) -> Result<Option<String>, ImageError> {
    if task.name() != "smart_crop" || task.value("coords") != Some(Value::Boolean(true)) {
        return Ok(None);
    }
    let unbounded = Bounds { max_pixels: u64::MAX };
    let part = SmartCrop::of(task, unbounded)?.part(bitmap);
    let [x, y, width, height] = [part.x, part.y, part.width, part.height].map(|number| number.round() as u32);
    let coords = serde_json::json!({ "coords": { "x": x, "y": y, "width": width, "height": height } });
    Ok(Some(coords.to_string()))
}

/// Objects that are known, all by their faces.
const OBJECTS: [&str; 5] = ["face", "faces", "person", "people", "human"];

struct SmartCrop {
    /// Faces alone decide, if there are any.
    only_faces: bool,
    wanted: (Option<u32>, Option<u32>),
    fill: [u8; 4],
    bounds: Bounds,
}

impl SmartCrop {
    fn of(task: &Task, bounds: Bounds) -> Result<Self, ImageError> {
        let mode = values::word(task, "mode");
        if mode == "object" {
            let object =
                task.text("object").ok_or(ImageError::Parameter { task: "smart_crop", parameter: "object" })?;
            if !OBJECTS.contains(&object.to_ascii_lowercase().as_str()) {
                let text = format!("smart_crop cannot find the object `{object}`, only `face` and `person`");
                return Err(ImageError::Unsupported(text));
            }
        }
        Ok(Self {
            only_faces: mode != "auto",
            wanted: (values::pixels(task, "width"), values::pixels(task, "height")),
            fill: values::colour(task, "fill_color").unwrap_or([u8::MAX; 4]),
            bounds,
        })
    }

    /// Sides of the result.
    fn sides(&self, bitmap: &Bitmap) -> (u32, u32) {
        (self.wanted.0.unwrap_or(bitmap.width), self.wanted.1.unwrap_or(bitmap.height))
    }

    /// The part that the result shows. At least one of its sides is that of the picture.
    fn part(&self, bitmap: &Bitmap) -> Region {
        let whole = Region::whole(bitmap.width, bitmap.height);
        let (to_width, to_height) = self.sides(bitmap);
        let (to_width, to_height) = (f64::from(to_width), f64::from(to_height));
        // A picture is made smaller as far as it fills the frame, and never larger.
        let factor = (to_width / whole.width).max(to_height / whole.height).min(1.0);
        let (width, height) = ((to_width / factor).min(whole.width), (to_height / factor).min(whole.height));
        if (width, height) == (whole.width, whole.height) {
            return whole;
        }
        let faces = faces::detect(bitmap);
        if let Some(area) = faces::bounding(&faces).filter(|_| self.only_faces) {
            let around = |from: f64, extent: f64, length: f64, side: f64| {
                (from + (extent - length) / 2.0).clamp(0.0, side - length).round()
            };
            let fits = area.width <= width && area.height <= height;
            if fits {
                let x = around(area.x, area.width, width, whole.width);
                let y = around(area.y, area.height, height, whole.height);
                return Region { x, y, width, height };
            }
        }
        let map = interest::Map::of(bitmap, &faces, self.only_faces && !faces.is_empty());
        let (x, y) = if width < whole.width {
            (map.best_column(width / whole.width) * whole.width, 0.0)
        } else {
            (0.0, map.best_row(height / whole.height) * whole.height)
        };
        Region { x: x.round().min(whole.width - width), y: y.round().min(whole.height - height), width, height }
    }
}

impl Step for SmartCrop {
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        let (width, height) = self.sides(&bitmap);
        self.bounds.check(width, height)?;
        let part = self.part(&bitmap);
        let fills = width <= bitmap.width && height <= bitmap.height;
        if fills {
            let placement = geometry::Placement { part, width, height };
            return geometry::placed(bitmap, placement, self.bounds, false);
        }
        let part = cut(&bitmap, part.x as u32, part.y as u32, part.width as u32, part.height as u32);
        Ok(framed(part, width, height, self.fill))
    }
}

/// A smaller picture in the middle of a ground of one colour.
fn framed(bitmap: Bitmap, width: u32, height: u32, fill: [u8; 4]) -> Bitmap {
    let mut ground = Bitmap::filled(width, height, fill);
    let bitmap = if ground.layout.channels() < bitmap.layout.channels() {
        ground = ground.into_rgba();
        bitmap
    } else if ground.layout.channels() == 3 {
        bitmap.into_colour()
    } else {
        bitmap.into_rgba()
    };
    let channels = ground.layout.channels();
    let left = (width - bitmap.width) as usize / 2 * channels;
    let top = (height - bitmap.height) as usize / 2;
    let stride = ground.stride();
    for (row, to) in bitmap.rows().zip(ground.pixels.chunks_exact_mut(stride).skip(top)) {
        to[left..left + row.len()].copy_from_slice(row);
    }
    ground
}

#[cfg(test)]
mod tests;
