//! Filters on parts of a picture: `partial_pixelate`, `partial_blur` (spec 11 §4).

use stowage_core::tasks::{Task, Value};

use super::{Step, alpha, blur::blurred, each, mosaic::pixelated, scale::cut, values};
use crate::{Bitmap, Layout, Region};

/// The outline of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All of the rectangle.
    Rectangle,
    /// The ellipse in it.
    Oval,
}

impl Shape {
    /// What `type` of a task says.
    pub(crate) fn of(task: &Task) -> Self {
        if values::word(task, "type") == "oval" { Self::Oval } else { Self::Rectangle }
    }
}

pub(super) fn step(task: &Task) -> Option<Box<dyn Step>> {
    if !matches!(task.name(), "partial_pixelate" | "partial_blur") {
        return None;
    }
    let regions = regions(task);
    let (shape, softness) = (Shape::of(task), values::number(task, "blur"));
    let effect = effect(task)?;
    Some(each(move |bitmap| within(bitmap, &regions, shape, softness, &effect)))
}

/// What a task with `amount` does to the parts: tasks on pixels by name, with boxes or with faces.
pub(crate) fn effect(task: &Task) -> Option<impl Fn(&Bitmap) -> Bitmap + use<>> {
    let amount = values::number(task, "amount");
    let pixelates = match task.name() {
        "partial_pixelate" | "pixelate_faces" => true,
        "partial_blur" | "blur_faces" => false,
        _ => return None,
    };
    Some(
        move |bitmap: &Bitmap| {
            if pixelates { pixelated(bitmap.clone(), amount.round() as u32) } else { blurred(bitmap, amount) }
        },
    )
}

fn regions(task: &Task) -> Vec<Region> {
    let Some(Value::List(objects)) = task.value("objects") else { return Vec::new() };
    let region = |object: &Value| match object {
        Value::Area(area) => {
            let [x, y, width, height] = [area.x, area.y, area.width, area.height].map(|pixels| pixels as f64);
            Some(Region { x, y, width, height })
        }
        _ => None,
    };
    objects.iter().filter_map(region).collect()
}

/// Has an effect on parts of a picture. All of a part is hidden by it; around it, the effect goes over into the picture within two
/// `softness` pixels. Regions may reach outside; the effect has to keep sides and layout.
pub(crate) fn within(
    mut bitmap: Bitmap,
    regions: &[Region],
    shape: Shape,
    softness: f64,
    effect: impl Fn(&Bitmap) -> Bitmap,
) -> Bitmap {
    for region in regions {
        blend(&mut bitmap, region, shape, 2.0 * softness, &effect);
    }
    bitmap
}

fn blend(bitmap: &mut Bitmap, region: &Region, shape: Shape, fade: f64, effect: &impl Fn(&Bitmap) -> Bitmap) {
    // An ellipse is judged by the whole box, a rectangle by what is inside of the picture, which comes to the same.
    let range = |from: f64, extent: f64, side: u32| {
        let first = (from - fade).floor().clamp(0.0, f64::from(side)) as u32;
        let end = (from + extent + fade).ceil().clamp(0.0, f64::from(side)) as u32;
        (first, end.saturating_sub(first))
    };
    let is_outside = region.x >= f64::from(bitmap.width)
        || region.y >= f64::from(bitmap.height)
        || region.x + region.width <= 0.0
        || region.y + region.height <= 0.0;
    let (left, width) = range(region.x, region.width, bitmap.width);
    let (top, height) = range(region.y, region.height, bitmap.height);
    if is_outside || width == 0 || height == 0 {
        return;
    }
    let changed = effect(&cut(bitmap, left, top, width, height));
    let (stride, channels) = (bitmap.stride(), bitmap.layout.channels());
    let from = left as usize * channels;
    let lines = bitmap.pixels.chunks_exact_mut(stride).skip(top as usize);
    for (row, (line, new)) in (top..).zip(lines.zip(changed.rows())) {
        let line = &mut line[from..from + new.len()];
        let share = |column: usize| share(region, shape, fade, left + column as u32, row);
        match bitmap.layout {
            Layout::Rgba => {
                let pixels = line.as_chunks_mut::<4>().0.iter_mut().zip(new.as_chunks::<4>().0);
                pixels.enumerate().for_each(|(column, (old, new))| *old = mixed_pixel(*old, *new, share(column)));
            }
            Layout::Gray | Layout::Rgb => {
                let pixels = line.chunks_exact_mut(channels).zip(new.chunks_exact(channels)).enumerate();
                for (column, (old, new)) in pixels {
                    let share = share(column);
                    old.iter_mut().zip(new).for_each(|(old, new)| *old = mixed(*old, *new, share));
                }
            }
        }
    }
}

/// How much of the effect a pixel gets.
fn share(region: &Region, shape: Shape, fade: f64, column: u32, row: u32) -> u8 {
    // From the middle of the region to the middle of the pixel, and half of the extent.
    let (half_width, half_height) = (region.width / 2.0, region.height / 2.0);
    let across = (f64::from(column) + 0.5 - region.x - half_width).abs();
    let down = (f64::from(row) + 0.5 - region.y - half_height).abs();
    let outside = match shape {
        Shape::Rectangle => (across - half_width).max(0.0).hypot((down - half_height).max(0.0)),
        Shape::Oval => ((across / half_width).hypot(down / half_height) - 1.0).max(0.0) * half_width.min(half_height),
    };
    // Edges are one pixel wide at least.
    let share = 1.0 - outside / fade.max(1.0);
    alpha::share(share.clamp(0.0, 1.0) as f32)
}

fn mixed(old: u8, new: u8, share: u8) -> u8 {
    let sum = u32::from(old) * u32::from(u8::MAX - share) + u32::from(new) * u32::from(share);
    ((sum + 127) / 255) as u8
}

/// Colours are weighed by their opacity.
fn mixed_pixel(old: [u8; 4], new: [u8; 4], share: u8) -> [u8; 4] {
    let (of_old, of_new) = (u32::from(old[3]) * u32::from(u8::MAX - share), u32::from(new[3]) * u32::from(share));
    let sum = of_old + of_new;
    if sum == 0 {
        return [0; 4];
    }
    let mix =
        |channel: usize| ((u32::from(old[channel]) * of_old + u32::from(new[channel]) * of_new + sum / 2) / sum) as u8;
    [mix(0), mix(1), mix(2), ((sum + 127) / 255) as u8]
}

#[cfg(test)]
mod tests;
