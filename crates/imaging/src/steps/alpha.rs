//! Opacity: what filters that mix neighbouring pixels need, and pictures on grounds.

use crate::{Bitmap, Layout};

/// `first * second / 255`, rounded.
pub(super) fn product(first: u8, second: u8) -> u8 {
    let product = u32::from(first) * u32::from(second) + 128;
    ((product + (product >> 8)) >> 8) as u8
}

/// Weighs the colours of RGBA pixels by their opacity, so that what cannot be seen does not mix in.
pub(super) fn premultiply(pixels: &mut [u8]) {
    for [red, green, blue, opacity] in pixels.as_chunks_mut::<4>().0 {
        *red = product(*red, *opacity);
        *green = product(*green, *opacity);
        *blue = product(*blue, *opacity);
    }
}

/// The way back from [`premultiply`].
pub(super) fn unpremultiply(pixels: &mut [u8]) {
    // 16 bits behind the point; a colour times 255 fits the 32 bits with them.
    let inverse: [u32; 256] = std::array::from_fn(|opacity| match opacity as u32 {
        0 => 0,
        opacity => ((255 << 16) + opacity / 2) / opacity,
    });
    for [red, green, blue, opacity] in pixels.as_chunks_mut::<4>().0 {
        let factor = inverse[usize::from(*opacity)];
        for colour in [red, green, blue] {
            *colour = ((u32::from(*colour) * factor + (1 << 15)) >> 16).min(255) as u8;
        }
    }
}

/// Does what mixes neighbouring pixels of any layout, on weighed colours if some cannot be seen.
pub(super) fn weighed(mut bitmap: Bitmap, work: impl FnOnce(Bitmap) -> Bitmap) -> Bitmap {
    if !bitmap.has_transparency() {
        return work(bitmap);
    }
    premultiply(&mut bitmap.pixels);
    let mut result = work(bitmap);
    unpremultiply(&mut result.pixels);
    result
}

/// One pixel on top of another.
pub(super) fn over(above: [u8; 4], below: [u8; 4]) -> [u8; 4] {
    let (opacity, under) = (u32::from(above[3]), product(below[3], u8::MAX - above[3]));
    match (above[3], under) {
        (_, 0) => above,
        (0, _) => below,
        _ => {
            let sum = opacity + u32::from(under);
            let mix = |channel: usize| {
                let mixed = u32::from(above[channel]) * opacity + u32::from(below[channel]) * u32::from(under);
                ((mixed + sum / 2) / sum) as u8
            };
            [mix(0), mix(1), mix(2), sum.min(255) as u8]
        }
    }
}

/// A picture on a ground; without one, or on an opaque picture, what was there. Opacity samples go where they have nothing to say.
pub(super) fn on_ground(bitmap: Bitmap, ground: Option<[u8; 4]>) -> Bitmap {
    match ground {
        Some([red, green, blue, u8::MAX]) => bitmap.flattened([red, green, blue]),
        Some(ground) if bitmap.layout == Layout::Rgba => {
            let mut bitmap = bitmap;
            bitmap.pixels.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| *pixel = over(*pixel, ground));
            bitmap
        }
        _ => bitmap,
    }
}

/// Lays a picture onto a canvas of RGBA pixels, which is large enough for it.
pub(super) fn lay(canvas: &mut Bitmap, picture: &Bitmap, left: u32, top: u32) {
    let (stride, from, columns) = (canvas.stride(), left as usize, picture.width as usize);
    let lines = canvas.pixels.chunks_exact_mut(stride).skip(top as usize);
    for (line, row) in lines.zip(picture.rows()) {
        let line = &mut line.as_chunks_mut::<4>().0[from..from + columns];
        match picture.layout {
            Layout::Gray => line.iter_mut().zip(row).for_each(|(to, level)| *to = [*level, *level, *level, u8::MAX]),
            Layout::Rgb => {
                let pixels = row.as_chunks::<3>().0;
                line.iter_mut().zip(pixels).for_each(|(to, [red, green, blue])| *to = [*red, *green, *blue, u8::MAX]);
            }
            Layout::Rgba => {
                line.iter_mut().zip(row.as_chunks::<4>().0).for_each(|(to, pixel)| *to = over(*pixel, *to));
            }
        }
    }
}

/// A canvas of RGBA pixels.
pub(super) fn canvas(width: u32, height: u32, colour: [u8; 4]) -> Bitmap {
    let pixels = colour.repeat(width as usize * height as usize);
    Bitmap { width, height, layout: Layout::Rgba, pixels }
}

/// Each pixel becomes as transparent as `opacity` says for its column and row.
pub(super) fn faded(bitmap: Bitmap, opacity: impl Fn(usize, usize) -> u8) -> Bitmap {
    let mut bitmap = bitmap.into_rgba();
    let stride = bitmap.stride();
    for (row, line) in bitmap.pixels.chunks_exact_mut(stride).enumerate() {
        for (column, pixel) in line.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            pixel[3] = product(pixel[3], opacity(column, row));
        }
    }
    bitmap
}

/// A share from 0 to 1 as opacity.
pub(super) fn share(share: f32) -> u8 {
    (share * 255.0 + 0.5) as u8
}
