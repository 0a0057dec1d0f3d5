//! `blur` and `sharpen` (spec 11 §4).

use std::borrow::Cow;

use libblur::{
    BlurImage, BlurImageMut, BufferStore, ConvolutionMode, EdgeMode, FastBlurChannels, GaussianBlurParams,
    ThreadingPolicy, gaussian_blur,
};
use stowage_core::tasks::Task;

use super::{Step, alpha, each, values};
use crate::{Bitmap, Layout};

/// Below this many pixels a blur moves no sample by more than rounding does.
const FINEST: f64 = 0.15;

pub(super) fn step(task: &Task) -> Option<Box<dyn Step>> {
    let amount = values::number(task, "amount");
    match task.name() {
        "blur" => Some(each(move |bitmap| blurred(&bitmap, amount))),
        "sharpen" => Some(each(move |bitmap| sharpened(bitmap, amount))),
        _ => None,
    }
}

/// Gaussian blur; `sigma` in pixels. Colours are weighed by their opacity.
pub(super) fn blurred(bitmap: &Bitmap, sigma: f64) -> Bitmap {
    if sigma < FINEST {
        return bitmap.clone();
    }
    if !bitmap.has_transparency() {
        return convolved(bitmap, sigma);
    }
    let mut weighed = bitmap.clone();
    alpha::premultiply(&mut weighed.pixels);
    let mut result = convolved(&weighed, sigma);
    alpha::unpremultiply(&mut result.pixels);
    result
}

fn convolved(bitmap: &Bitmap, sigma: f64) -> Bitmap {
    let channels = match bitmap.layout {
        Layout::Gray => FastBlurChannels::Plane,
        Layout::Rgb => FastBlurChannels::Channels3,
        Layout::Rgba => FastBlurChannels::Channels4,
    };
    let (width, height, stride) = (bitmap.width, bitmap.height, bitmap.stride() as u32);
    let mut pixels = vec![0; bitmap.pixels.len()];
    let source = BlurImage { data: Cow::Borrowed(&*bitmap.pixels), width, height, stride, channels };
    let data = BufferStore::Borrowed(&mut pixels);
    let mut target = BlurImageMut { data, width, height, stride, channels };
    // What is further away than three sigma weighs less than half a level.
    let kernel = 2 * (3.0 * sigma).ceil() as u32 + 1;
    let done = gaussian_blur(
        &source,
        &mut target,
        GaussianBlurParams::new(kernel, sigma),
        EdgeMode::Clamp.as_2d(),
        ThreadingPolicy::Single,
        // The other mode rounds the weights so coarsely that the middle stands out.
        ConvolutionMode::Exact,
    );
    match done {
        Ok(()) => Bitmap { pixels, ..*bitmap },
        // Sides, layout and kernel are right by construction.
        Err(_) => bitmap.clone(),
    }
}

/// Unsharp mask: what the blur takes away is added once more. Opacities stay.
fn sharpened(mut bitmap: Bitmap, sigma: f64) -> Bitmap {
    let soft = blurred(&bitmap, sigma);
    let sharp = |level: u8, soft: u8| (2 * i16::from(level) - i16::from(soft)).clamp(0, 255) as u8;
    if bitmap.layout == Layout::Rgba {
        let pairs = bitmap.pixels.as_chunks_mut::<4>().0.iter_mut().zip(soft.pixels.as_chunks::<4>().0);
        for (pixel, soft) in pairs {
            *pixel = [sharp(pixel[0], soft[0]), sharp(pixel[1], soft[1]), sharp(pixel[2], soft[2]), pixel[3]];
        }
    } else {
        bitmap.pixels.iter_mut().zip(&soft.pixels).for_each(|(level, soft)| *level = sharp(*level, *soft));
    }
    bitmap
}

#[cfg(test)]
mod tests;
