//! What is put around a picture: `border`, `shadow`, `polaroid` (spec 11 §3).

use stowage_core::tasks::Task;

use super::{Bounds, Step, alpha, blur::blurred, rotate::rotated, values};
use crate::{Bitmap, ImageError, Layout};

pub(super) fn step(task: &Task, bounds: Bounds) -> Option<Box<dyn Step>> {
    let ground = values::colour(task, "background");
    let colour = values::colour(task, "color");
    Some(match task.name() {
        "border" => {
            let width = values::number(task, "width") as u32;
            let colour = colour.unwrap_or([0, 0, 0, u8::MAX]);
            Box::new(move |bitmap| bordered(bitmap, width, colour, ground, bounds))
        }
        "shadow" => {
            let shadow = Shadow {
                softness: values::number(task, "blur"),
                opacity: values::number(task, "opacity") / 100.0,
                vector: values::pair(task, "vector").map(|offset| offset.round() as i64),
                colour: colour.unwrap_or([0, 0, 0, u8::MAX]),
            };
            Box::new(move |bitmap| Ok(alpha::on_ground(shadow.below(bitmap, bounds)?, ground)))
        }
        "polaroid" => {
            let paper = colour.unwrap_or([u8::MAX; 4]);
            let degrees = values::number(task, "rotate");
            Box::new(move |bitmap| Ok(alpha::on_ground(polaroid(bitmap, paper, degrees, bounds)?, ground)))
        }
        _ => return None,
    })
}

/// A frame of `width` pixels on each side; the ground shows through it and through the picture.
fn bordered(
    bitmap: Bitmap,
    width: u32,
    colour: [u8; 4],
    ground: Option<[u8; 4]>,
    bounds: Bounds,
) -> Result<Bitmap, ImageError> {
    let bitmap = alpha::on_ground(bitmap, ground);
    framed(&bitmap, [width; 4], alpha::over(colour, ground.unwrap_or_default()), bounds)
}

/// The picture with so many pixels of a colour to the left, above, to the right and below.
fn framed(
    bitmap: &Bitmap,
    [left, above, right, below]: [u32; 4],
    colour: [u8; 4],
    bounds: Bounds,
) -> Result<Bitmap, ImageError> {
    let (width, height) = (grown(bitmap.width, left, right)?, grown(bitmap.height, above, below)?);
    bounds.check(width, height)?;
    let [red, green, blue, opacity] = colour;
    let is_opaque = opacity == u8::MAX && bitmap.layout != Layout::Rgba;
    if is_opaque && bitmap.layout == Layout::Gray && red == green && green == blue {
        return Ok(surrounded(bitmap, width, height, left, above, &[red]));
    }
    if is_opaque {
        return Ok(surrounded(&bitmap.clone().into_colour(), width, height, left, above, &[red, green, blue]));
    }
    Ok(surrounded(&bitmap.clone().into_rgba(), width, height, left, above, &colour))
}

/// `ground` has the layout of the picture.
fn surrounded(bitmap: &Bitmap, width: u32, height: u32, left: u32, above: u32, ground: &[u8]) -> Bitmap {
    let count = width as usize * height as usize;
    let mut result = Bitmap { width, height, layout: bitmap.layout, pixels: ground.repeat(count) };
    let (stride, from) = (result.stride(), left as usize * ground.len());
    let lines = result.pixels.chunks_exact_mut(stride).skip(above as usize);
    lines.zip(bitmap.rows()).for_each(|(line, row)| line[from..from + row.len()].copy_from_slice(row));
    result
}

fn grown(side: u32, before: u32, behind: u32) -> Result<u32, ImageError> {
    side.checked_add(before).and_then(|side| side.checked_add(behind)).ok_or(ImageError::OutputTooLarge)
}

/// What a picture casts on the ground.
#[derive(Clone, Copy)]
struct Shadow {
    /// Sigma, pixels.
    softness: f64,
    /// 1: nothing shines through.
    opacity: f64,
    /// Pixels to the right and down.
    vector: [i64; 2],
    colour: [u8; 4],
}

impl Shadow {
    /// The picture on its shadow; the canvas holds both. Transparent where neither is.
    fn below(&self, bitmap: Bitmap, bounds: Bounds) -> Result<Bitmap, ImageError> {
        // Further away, nothing of the shadow can be seen.
        let reach = (2.0 * self.softness).ceil() as i64;
        let [x, y] = self.vector;
        let [left, above, right, below] =
            [reach - x, reach - y, reach + x, reach + y].map(|pixels| pixels.max(0) as u32);
        let (width, height) = (grown(bitmap.width, left, right)?, grown(bitmap.height, above, below)?);
        bounds.check(width, height)?;

        let shape = silhouette(&bitmap);
        let mut shade =
            Bitmap { width, height, layout: Layout::Gray, pixels: vec![0; (width as usize) * height as usize] };
        let (from_x, from_y) = ((i64::from(left) + x) as usize, (i64::from(above) + y) as usize);
        let lines = shade.pixels.chunks_exact_mut(width as usize).skip(from_y);
        lines.zip(shape.rows()).for_each(|(line, row)| line[from_x..from_x + row.len()].copy_from_slice(row));
        let shade = blurred(&shade, self.softness);

        let [red, green, blue, opacity] = self.colour;
        let opacity = alpha::product(opacity, alpha::share(self.opacity as f32));
        let pixels =
            shade.pixels.iter().flat_map(|depth| [red, green, blue, alpha::product(*depth, opacity)]).collect();
        let mut canvas = Bitmap { width, height, layout: Layout::Rgba, pixels };
        alpha::lay(&mut canvas, &bitmap, left, above);
        Ok(canvas)
    }
}

/// The opacities of a picture as a picture.
fn silhouette(bitmap: &Bitmap) -> Bitmap {
    let pixels = match bitmap.layout {
        Layout::Gray | Layout::Rgb => vec![u8::MAX; bitmap.width as usize * bitmap.height as usize],
        Layout::Rgba => bitmap.pixels.as_chunks::<4>().0.iter().map(|pixel| pixel[3]).collect(),
    };
    Bitmap { layout: Layout::Gray, pixels, ..*bitmap }
}

/// Paper around the picture, four times as much below, on a shadow, and all of it turned clockwise.
fn polaroid(bitmap: Bitmap, paper: [u8; 4], degrees: f64, bounds: Bounds) -> Result<Bitmap, ImageError> {
    let margin = (bitmap.width.max(bitmap.height) / 25).max(10);
    let [red, green, blue, _] = paper;
    let picture = alpha::on_ground(bitmap, Some([red, green, blue, u8::MAX]));
    let photo = framed(&picture, [margin, margin, margin, 4 * margin], paper, bounds)?;
    let depth = f64::from(margin) / 5.0;
    let shadow =
        Shadow { softness: depth, opacity: 0.6, vector: [depth.round() as i64; 2], colour: [0, 0, 0, u8::MAX] };
    rotated(shadow.below(photo, bounds)?, degrees, [0; 4], bounds)
}

#[cfg(test)]
mod tests;
