//! The image tasks (spec 11): each file holds a family of them.

mod alpha;
pub(crate) mod animate;
pub(crate) mod ascii;
mod blur;
mod caption;
mod collage;
mod enhance;
pub(crate) mod faces;
mod frame;
pub(crate) mod geometry;
mod mask;
mod modulate;
mod mosaic;
mod oil;
mod overlay;
pub(crate) mod partial;
pub(crate) mod qr;
mod rotate;
pub(crate) mod scale;
pub(crate) mod smart_crop;
mod smooth;
mod tone;
mod torn;
mod upscale;
mod values;
mod watermark;

use stowage_core::tasks::Task;

use crate::{Bitmap, ImageError, Limits};

/// A task that makes another picture of a picture. One value is used for all frames of an animation.
pub trait Step {
    /// Works on one frame.
    ///
    /// # Errors
    /// Values that do not fit this picture, or a result that is too large.
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError>;
}

impl<F: FnMut(Bitmap) -> Result<Bitmap, ImageError>> Step for F {
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        self(bitmap)
    }
}

/// A step that always works.
fn each(mut work: impl FnMut(Bitmap) -> Bitmap + 'static) -> Box<dyn Step> {
    Box::new(move |bitmap| Ok(work(bitmap)))
}

/// The step of a task that needs nothing but a picture: all filters, borders and effects, `flip`, `flop`, `text`, `enhance`, `upscale`,
/// and `rotate` by an angle.
fn plain(task: &Task, bounds: Bounds) -> Option<Box<dyn Step>> {
    let families = [
        geometry::step,
        blur::step,
        tone::step,
        mosaic::step,
        partial::step,
        mask::step,
        torn::step,
        caption::step,
        enhance::step,
    ];
    let step = families.into_iter().find_map(|family| family(task));
    step.or_else(|| rotate::step(task, bounds))
        .or_else(|| frame::step(task, bounds))
        .or_else(|| upscale::step(task, bounds))
}

/// How large anything between source and result may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Pixels of one bitmap.
    pub max_pixels: u64,
}

impl Bounds {
    /// To be asked before a bitmap of these sides is allocated.
    ///
    /// # Errors
    /// More pixels than may be.
    pub fn check(self, width: u32, height: u32) -> Result<(), ImageError> {
        if u64::from(width) * u64::from(height) > self.max_pixels { Err(ImageError::OutputTooLarge) } else { Ok(()) }
    }
}

/// The files that steps name, handed out in the order of [`crate::overlays()`].
pub(crate) struct Overlays<'a> {
    files: std::slice::Iter<'a, &'a [u8]>,
    /// What decoding them may use.
    pub(crate) limits: Limits,
}

impl<'a> Overlays<'a> {
    pub(crate) fn new(files: &'a [&'a [u8]], limits: Limits) -> Self {
        Self { files: files.iter(), limits }
    }

    /// The next file.
    pub(crate) fn next_file(&mut self) -> Result<&'a [u8], ImageError> {
        self.files.next().copied().ok_or(ImageError::UnsupportedInput)
    }
}

/// The step that a task stands for. `linear`: scale in linear light.
///
/// # Errors
/// The task is not one on pictures, or what it names cannot be read.
pub(crate) fn of<'a>(
    task: &Task,
    bounds: Bounds,
    linear: bool,
    overlays: &mut Overlays<'a>,
) -> Result<Box<dyn Step + 'a>, ImageError> {
    if let Some(step) = plain(task, bounds) {
        return Ok(step);
    }
    if let Some(step) = faces::step(task, bounds) {
        return Ok(step);
    }
    if let Some(step) = smart_crop::step(task, bounds)? {
        return Ok(step);
    }
    match task.name() {
        "resize" | "crop" => return Ok(geometry::window_step(task.clone(), bounds, linear)),
        "watermark" => return watermark::step(task, bounds, overlays),
        "collage" => return collage::step(task, bounds, overlays),
        _ => {}
    }
    Err(ImageError::Unsupported(format!("the task `{}` does not work on pictures", task.name())))
}

#[cfg(test)]
mod tests;
