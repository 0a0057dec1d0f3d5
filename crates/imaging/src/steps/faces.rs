//! Tasks on the faces of a picture (spec 11 §§2, 6).

mod selection;

use selection::{Selection, with_buffer};
use stowage_core::tasks::{End, Place, Task, Value};

use super::{
    Bounds, Step, each, geometry,
    partial::{self, Shape},
    values,
};
use crate::{
    Bitmap, ImageError, Layout, Region, draw,
    faces::{self, Face},
    text,
};

/// The step of a task on faces.
pub(super) fn step(task: &Task, bounds: Bounds) -> Option<Box<dyn Step>> {
    if let Some(effect) = partial::effect(task) {
        return hides(task).then(|| hide(task, effect));
    }
    Some(match task.name() {
        "detect_faces" => Box::new(Mark::of(task)),
        "crop_faces" => Box::new(Crop::of(task, bounds)),
        "redeye" => Box::new(RedEye),
        _ => return None,
    })
}

/// What `detect_faces=export:true` answers: a JSON list of rectangles; `None` for a task that makes a picture.
pub(crate) fn export(task: &Task, bitmap: &Bitmap) -> Option<String> {
    #[derive(serde::Serialize)]
    struct Rectangle {
        x: u32,
        y: u32,
        width: u32,
        height: u32,
    }
    if task.name() != "detect_faces" || task.value("export") != Some(Value::Boolean(true)) {
        return None;
    }
    let faces = Selection::of(task).choose(faces::detect(bitmap));
    let rectangles = faces.iter().map(|Face { area, .. }| Rectangle {
        x: area.x as u32,
        y: area.y as u32,
        width: area.width as u32,
        height: area.height as u32,
    });
    serde_json::to_string(&rectangles.collect::<Vec<_>>()).ok()
}

/// `detect_faces`: a box around each face, with its number.
struct Mark {
    selection: Selection,
    colour: [u8; 4],
}

impl Mark {
    fn of(task: &Task) -> Self {
        Self { selection: Selection::of(task), colour: values::colour(task, "color").unwrap_or([0, 0, 0, u8::MAX]) }
    }
}

impl Step for Mark {
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        let faces = self.selection.choose(faces::detect(&bitmap));
        let mut bitmap = bitmap.into_colour();
        let thickness = bitmap.width.max(bitmap.height).div_ceil(400);
        for (number, Face { area, .. }) in (1..).zip(faces) {
            draw::outline(&mut bitmap, area, thickness, self.colour);
            let size = (area.height / 4.0).max(10.0) as f32;
            let inset = 2.0 * f64::from(thickness);
            text::draw(&mut bitmap, &number.to_string(), area.x + inset, area.y + inset, size, self.colour);
        }
        Ok(bitmap)
    }
}

/// `crop_faces`: the part of the picture around the faces.
struct Crop {
    selection: Selection,
    mode: &'static str,
    buffer: f64,
    wanted: (Option<u32>, Option<u32>),
    bounds: Bounds,
}

impl Crop {
    fn of(task: &Task, bounds: Bounds) -> Self {
        Self {
            selection: Selection::of(task),
            mode: values::word(task, "mode"),
            buffer: values::number(task, "buffer"),
            wanted: (values::pixels(task, "width"), values::pixels(task, "height")),
            bounds,
        }
    }
}

impl Step for Crop {
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        let faces = self.selection.choose(faces::detect(&bitmap));
        let area = faces::bounding(&faces).ok_or_else(|| ImageError::Unsupported("no face found".to_owned()))?;
        let buffer = if self.mode == "crop" { 0.0 } else { self.buffer };
        let part = visible(with_buffer(area, buffer), &bitmap);
        let fit = if self.mode == "fill" { "crop" } else { "clip" };
        let centre = Place::At { vertical: End::Middle, horizontal: End::Middle };
        let (width, height) = (part.width as u32, part.height as u32);
        let mut placement = geometry::fitted(fit, (width, height), self.wanted, centre, None)
            .unwrap_or(geometry::Placement { part: Region::whole(width, height), width, height });
        placement.part.x += part.x;
        placement.part.y += part.y;
        geometry::placed(bitmap, placement, self.bounds, false)
    }
}

/// The whole pixels of an area that lie inside the picture.
fn visible(area: Region, bitmap: &Bitmap) -> Region {
    let (x, y) = (area.x.floor().max(0.0), area.y.floor().max(0.0));
    let right = (area.x + area.width).ceil().min(f64::from(bitmap.width));
    let bottom = (area.y + area.height).ceil().min(f64::from(bitmap.height));
    Region { x, y, width: right - x, height: bottom - y }
}

/// Whether a task has an effect on faces, not on given boxes.
fn hides(task: &Task) -> bool {
    matches!(task.name(), "pixelate_faces" | "blur_faces")
}

/// `pixelate_faces` and `blur_faces`: an effect on each face with its buffer.
fn hide(task: &Task, effect: impl Fn(&Bitmap) -> Bitmap + 'static) -> Box<dyn Step> {
    let (selection, buffer) = (Selection::of(task), values::number(task, "buffer"));
    let (shape, softness) = (Shape::of(task), values::number(task, "blur"));
    each(move |bitmap| {
        let faces = selection.choose(faces::detect(&bitmap));
        let regions: Vec<Region> = faces.iter().map(|face| with_buffer(face.area, buffer)).collect();
        partial::within(bitmap, &regions, shape, softness, &effect)
    })
}

/// `redeye`: pupils that a flash has made red become dark.
struct RedEye;

/// How far from the middle of an eye its pupil can be, as a part of the distance of the eyes.
const EYE_RADIUS: f64 = 0.2;

impl Step for RedEye {
    fn apply(&mut self, mut bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        if bitmap.layout == Layout::Gray {
            return Ok(bitmap);
        }
        for Face { eyes: [left, right], .. } in faces::detect(&bitmap) {
            let radius = EYE_RADIUS * (right.0 - left.0).hypot(right.1 - left.1);
            darken_red(&mut bitmap, left, radius);
            darken_red(&mut bitmap, right, radius);
        }
        Ok(bitmap)
    }
}

fn darken_red(bitmap: &mut Bitmap, (middle_x, middle_y): (f64, f64), radius: f64) {
    for y in (middle_y - radius).floor() as i64..=(middle_y + radius).ceil() as i64 {
        for x in (middle_x - radius).floor() as i64..=(middle_x + radius).ceil() as i64 {
            if (x as f64 - middle_x).hypot(y as f64 - middle_y) > radius {
                continue;
            }
            if let Some([red, green, blue, ..]) = bitmap.pixel_mut(x, y) {
                let neutral = (f32::from(*green) + f32::from(*blue)) / 2.0;
                let corrected = f32::from(*red) + (neutral - f32::from(*red)) * redness(*red, *green, *blue);
                *red = corrected.round() as u8;
            }
        }
    }
}

/// 0 for skin and anything less red, 1 for what only a lit retina looks like.
fn redness(red: u8, green: u8, blue: u8) -> f32 {
    // Very dark pixels have no hue to speak of.
    let [red, other] = [f32::from(red), f32::from(green.max(blue)) + 8.0];
    ((red / other - 1.5) / 0.5).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
