//! Colours painted over pixels.

use crate::{Bitmap, Region};

impl Bitmap {
    /// The samples of a pixel; `None` outside of the picture.
    pub(crate) fn pixel_mut(&mut self, x: i64, y: i64) -> Option<&mut [u8]> {
        let (x, y) = (u32::try_from(x).ok()?, u32::try_from(y).ok()?);
        if x >= self.width || y >= self.height {
            return None;
        }
        let channels = self.layout.channels();
        let start = (y as usize * self.width as usize + x as usize) * channels;
        self.pixels.get_mut(start..start + channels)
    }
}

/// Paints a colour over a pixel, of which it covers a part from 0 to 1. A gray pixel takes the brightness of the colour.
pub(crate) fn blend(pixel: &mut [u8], [red, green, blue, opacity]: [u8; 4], coverage: f32) {
    let opacity = f32::from(opacity) / 255.0 * coverage.clamp(0.0, 1.0);
    let mix = |below: &mut u8, above: u8, share: f32| {
        *below = (f32::from(*below) + (f32::from(above) - f32::from(*below)) * share).round() as u8;
    };
    match pixel {
        [level] => {
            let brightness = (299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue) + 500) / 1000;
            mix(level, brightness as u8, opacity);
        }
        [samples @ .., below] if samples.len() == 3 => {
            let total = opacity + f32::from(*below) / 255.0 * (1.0 - opacity);
            if total > 0.0 {
                samples.iter_mut().zip([red, green, blue]).for_each(|(to, above)| mix(to, above, opacity / total));
            }
            *below = (total * 255.0).round() as u8;
        }
        samples => samples.iter_mut().zip([red, green, blue]).for_each(|(to, above)| mix(to, above, opacity)),
    }
}

/// Paints the edges of a rectangle, `thickness` pixels wide to the inside. What reaches out of the picture is left out.
pub(crate) fn outline(bitmap: &mut Bitmap, area: Region, thickness: u32, colour: [u8; 4]) {
    let (left, top) = (area.x.round() as i64, area.y.round() as i64);
    let (right, bottom) = ((area.x + area.width).round() as i64, (area.y + area.height).round() as i64);
    let thickness = i64::from(thickness);
    for y in top.max(0)..bottom.min(i64::from(bitmap.height)) {
        let is_edge = y < top + thickness || y >= bottom - thickness;
        // Between its edges a row has only the two ends.
        let first_end = if is_edge { right } else { (left + thickness).min(right) };
        let second_start = (right - thickness).max(first_end);
        for x in (left..first_end).chain(second_start..right) {
            if let Some(pixel) = bitmap.pixel_mut(x, y) {
                blend(pixel, colour, 1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_covers_its_edges_once() {
        let mut bitmap = Bitmap::filled(10, 8, [0, 0, 0, 255]);
        outline(&mut bitmap, Region { x: 1.0, y: 1.0, width: 6.0, height: 5.0 }, 2, [200, 100, 50, 128]);
        let painted = |x, y| bitmap.pixels[(y * 10 + x) * 3] > 0;
        let expected = |x: usize, y: usize| {
            let inside = (1..7).contains(&x) && (1..6).contains(&y);
            inside && !((3..5).contains(&x) && (3..4).contains(&y))
        };
        for (x, y) in (0..8).flat_map(|y| (0..10).map(move |x| (x, y))) {
            assert_eq!(painted(x, y), expected(x, y), "{x}, {y}");
        }
        assert!(bitmap.pixels.chunks_exact(3).all(|pixel| pixel[0] == 0 || pixel == [100, 50, 25]));

        let before = bitmap.clone();
        outline(&mut bitmap, Region { x: 90.0, y: -9.0, width: 6.0, height: 5.0 }, 2, [255; 4]);
        assert_eq!(before, bitmap);
    }

    #[test]
    fn gray_pixels_take_the_brightness() {
        let mut pixel = [0];
        blend(&mut pixel, [255, 0, 0, 255], 1.0);
        assert_eq!(pixel, [76]);
    }
}
