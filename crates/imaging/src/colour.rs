//! Colour spaces: ICC profiles to sRGB, CMYK there and back.
//!
//! Profiles come out of hostile files. One that is too large, broken, or brings its reader down changes nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, ParsingOptions, TransformExecutor, TransformOptions};

use crate::{Bitmap, Layout};

/// Most bytes of a profile; press profiles have about 2 MB.
const MAX_PROFILE: usize = 4 << 20;

type Transform = Arc<dyn TransformExecutor<u8> + Send + Sync>;

/// What a profile says, or `None` if it is no use.
fn profile(icc: &[u8]) -> Option<ColorProfile> {
    let options = ParsingOptions { max_profile_size: MAX_PROFILE, ..ParsingOptions::default() };
    ColorProfile::new_from_slice_with_options(icc, options).ok()
}

/// Calls code that reads hostile profiles; a panic there is as good as a broken profile.
fn guarded<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok().flatten()
}

/// From samples of the profile to sRGB. CMYK lies as four samples without a name of its own.
fn transform(profile: &ColorProfile, from: moxcms::Layout, to: moxcms::Layout) -> Option<Transform> {
    profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default()).ok()
}

/// The sRGB colours of samples that lie as `from` and have `channels` bytes each.
fn transformed(profile: &ColorProfile, from: moxcms::Layout, channels: usize, samples: &[u8]) -> Option<Vec<u8>> {
    let mut pixels = vec![0; samples.len() / channels * 3];
    transform(profile, from, moxcms::Layout::Rgb)?.transform(samples, &mut pixels).ok()?;
    Some(pixels)
}

/// CMYK pixels (0: no ink) as sRGB, by their profile if it is a valid one for CMYK, else by the plain formula.
///
/// `inverted` means 255 is no ink, as in the JPEG files of Adobe's programs.
pub(crate) fn cmyk_to_rgb(pixels: &[u8], icc: Option<&[u8]>, inverted: bool) -> Vec<u8> {
    let upright;
    let pixels = if inverted {
        upright = pixels.iter().map(|ink| !ink).collect::<Vec<u8>>();
        &upright
    } else {
        pixels
    };
    let whole = &pixels[..pixels.len() / 4 * 4];
    icc.and_then(|icc| {
        guarded(|| {
            let profile = profile(icc).filter(|profile| profile.color_space == DataColorSpace::Cmyk)?;
            transformed(&profile, moxcms::Layout::Rgba, 4, whole)
        })
    })
    .unwrap_or_else(|| {
        whole.chunks_exact(4).flat_map(|ink| [0, 1, 2].map(|channel| multiplied(!ink[channel], !ink[3]))).collect()
    })
}

/// Rounded `a * b / 255`.
fn multiplied(a: u8, b: u8) -> u8 {
    ((u32::from(a) * u32::from(b) + 127) / 255) as u8
}

/// RGB pixels as CMYK (0: no ink): what is common to the three colours becomes black.
pub(crate) fn rgb_to_cmyk(pixels: &[u8]) -> Vec<u8> {
    pixels
        .chunks_exact(3)
        .flat_map(|pixel| {
            let light = pixel[0].max(pixel[1]).max(pixel[2]);
            let divisor = u32::from(light).max(1);
            let ink = |level: u8| ((u32::from(light - level) * 255 + divisor / 2) / divisor) as u8;
            [ink(pixel[0]), ink(pixel[1]), ink(pixel[2]), !light]
        })
        .collect()
}

/// The picture in sRGB; opacity stays. A profile that is broken, too large, or of another kind than the pixels leaves them as they are.
pub(crate) fn to_srgb(mut bitmap: Bitmap, icc: &[u8]) -> Bitmap {
    let converted = guarded(|| {
        let profile = profile(icc)?;
        match (profile.color_space, bitmap.layout) {
            (DataColorSpace::Gray, _) => {
                Some(by_level(&bitmap, &transformed(&profile, moxcms::Layout::Gray, 1, &ramp(1))?))
            }
            (DataColorSpace::Rgb, Layout::Gray) => {
                Some(by_level(&bitmap, &transformed(&profile, moxcms::Layout::Rgb, 3, &ramp(3))?))
            }
            (DataColorSpace::Rgb, Layout::Rgb) => transformed(&profile, moxcms::Layout::Rgb, 3, &bitmap.pixels),
            (DataColorSpace::Rgb, Layout::Rgba) => {
                let mut pixels = vec![0; bitmap.pixels.len()];
                transform(&profile, moxcms::Layout::Rgba, moxcms::Layout::Rgba)?
                    .transform(&bitmap.pixels, &mut pixels)
                    .ok()?;
                Some(pixels)
            }
            _ => None,
        }
    });
    if let Some(pixels) = converted {
        bitmap.pixels = pixels;
    }
    bitmap
}

/// All gray levels, each written `channels` times.
fn ramp(channels: usize) -> Vec<u8> {
    (0..=u8::MAX).flat_map(|level| std::iter::repeat_n(level, channels)).collect()
}

/// Puts the green of the 256 converted gray levels in place of each colour sample.
fn by_level(bitmap: &Bitmap, converted: &[u8]) -> Vec<u8> {
    let table: [u8; 256] = std::array::from_fn(|level| converted[level * 3 + 1]);
    let mut pixels = bitmap.pixels.clone();
    match bitmap.layout {
        Layout::Gray | Layout::Rgb => pixels.iter_mut().for_each(|level| *level = table[usize::from(*level)]),
        Layout::Rgba => pixels
            .chunks_exact_mut(4)
            .for_each(|pixel| pixel[..3].iter_mut().for_each(|level| *level = table[usize::from(*level)])),
    }
    pixels
}

/// Whether pixels look the same with and without this profile, so that neither a conversion nor the profile itself is needed.
///
/// There are dozens of sRGB profiles, so it is not their names or bytes that are looked at but what they do to a few hundred colours.
pub(crate) fn is_srgb(icc: &[u8]) -> bool {
    let steps = [0u8, 36, 73, 109, 146, 182, 219, 255];
    let probes: Vec<u8> = steps
        .iter()
        .flat_map(|red| steps.iter().flat_map(move |green| steps.map(|blue| [*red, *green, blue])))
        .flatten()
        .collect();
    guarded(|| {
        let profile = profile(icc)?;
        let (expected, converted) = match profile.color_space {
            DataColorSpace::Rgb => (probes.clone(), transformed(&profile, moxcms::Layout::Rgb, 3, &probes)?),
            DataColorSpace::Gray => (ramp(3), transformed(&profile, moxcms::Layout::Gray, 1, &ramp(1))?),
            _ => return None,
        };
        Some(expected.iter().zip(&converted).all(|(before, after)| before.abs_diff(*after) <= 2))
    })
    .unwrap_or(false)
}

#[cfg(test)]
mod tests;
