//! Luma and colour differences to RGB in whole numbers, eight bits in and out.

use libavif_sys as avif;

/// Bits behind the point.
const SHIFT: u32 = 14;
const HALF: i32 = 1 << (SHIFT - 1);

/// How samples become RGB: `luma * (Y - black)` plus what the colour differences add.
pub(super) struct Matrix {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Matrix {
    /// Of an image whose matrix is given by the weights of red and blue; `None` for the others.
    pub(super) fn of(image: &avif::avifImage) -> Option<Self> {
        let (red, blue) = match u32::from(image.matrixCoefficients) {
            avif::AVIF_MATRIX_COEFFICIENTS_BT709 => (0.2126, 0.0722),
            avif::AVIF_MATRIX_COEFFICIENTS_FCC => (0.30, 0.11),
            avif::AVIF_MATRIX_COEFFICIENTS_UNSPECIFIED
            | avif::AVIF_MATRIX_COEFFICIENTS_BT470BG
            | avif::AVIF_MATRIX_COEFFICIENTS_BT601 => (0.299, 0.114),
            avif::AVIF_MATRIX_COEFFICIENTS_SMPTE240 => (0.212, 0.087),
            avif::AVIF_MATRIX_COEFFICIENTS_BT2020_NCL => (0.2627, 0.0593),
            _ => return None,
        };
        Some(Self::new(red, blue, image.yuvRange == avif::AVIF_RANGE_LIMITED))
    }

    fn new(red: f64, blue: f64, limited: bool) -> Self {
        let (black, luma, difference) = if limited { (16, 255.0 / 219.0, 255.0 / 224.0) } else { (0, 1.0, 1.0) };
        let fixed = |factor: f64| (factor * f64::from(1 << SHIFT)).round() as i32;
        let (red_v, blue_u) = (2.0 * (1.0 - red) * difference, 2.0 * (1.0 - blue) * difference);
        let green = 1.0 - red - blue;
        Self {
            black,
            luma: fixed(luma),
            red_v: fixed(red_v),
            green_u: fixed(-blue_u * blue / green),
            green_v: fixed(-red_v * red / green),
            blue_u: fixed(blue_u),
        }
    }

    fn level(&self, y: u8) -> i32 {
        (i32::from(y) - self.black) * self.luma + HALF
    }

    fn colour(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let (level, u, v) = (self.level(y), i32::from(u) - 128, i32::from(v) - 128);
        let clamped = |sum: i32| (sum >> SHIFT).clamp(0, 255) as u8;
        [
            clamped(level + self.red_v * v),
            clamped(level + self.green_u * u + self.green_v * v),
            clamped(level + self.blue_u * u),
        ]
    }

    pub(super) fn to_gray(&self, luma: &[u8], gray: &mut [u8]) {
        for (to, y) in gray.iter_mut().zip(luma) {
            *to = (self.level(*y) >> SHIFT).clamp(0, 255) as u8;
        }
    }

    pub(super) fn to_rgb(&self, luma: &[u8], u: &[u8], v: &[u8], rgb: &mut [u8]) {
        for (((pixel, y), u), v) in rgb.chunks_exact_mut(3).zip(luma).zip(u).zip(v) {
            pixel.copy_from_slice(&self.colour(*y, *u, *v));
        }
    }

    /// Without colour differences (empty slices) the colours are gray.
    pub(super) fn to_rgba(&self, luma: &[u8], u: &[u8], v: &[u8], opacity: &[u8], rgba: &mut [u8]) {
        if u.is_empty() {
            for ((pixel, y), opacity) in rgba.chunks_exact_mut(4).zip(luma).zip(opacity) {
                let [red, green, blue] = self.colour(*y, 128, 128);
                pixel.copy_from_slice(&[red, green, blue, *opacity]);
            }
            return;
        }
        for ((((pixel, y), u), v), opacity) in rgba.chunks_exact_mut(4).zip(luma).zip(u).zip(v).zip(opacity) {
            let [red, green, blue] = self.colour(*y, *u, *v);
            pixel.copy_from_slice(&[red, green, blue, *opacity]);
        }
    }
}

/// Three parts of the near row and one of the far row, times four.
pub(super) fn blend(near: &[u8], far: &[u8], blended: &mut [u16]) {
    for ((to, near), far) in blended.iter_mut().zip(near).zip(far) {
        *to = 3 * u16::from(*near) + u16::from(*far);
    }
}

/// Twice as many samples, each three parts of the nearest and one of the next nearest; takes what `blend` gives.
pub(super) fn widen(blended: &[u16], full: &mut [u8]) {
    let mixed = |near: u16, far: u16| ((3 * near + far + 8) >> 4) as u8;
    let (Some(first), Some(last)) = (blended.first(), blended.last()) else { return };
    let Some((left, rest)) = full.split_first_mut() else { return };
    *left = mixed(*first, *first);
    for (pair, neighbours) in rest.chunks_exact_mut(2).zip(blended.windows(2)) {
        pair[0] = mixed(neighbours[0], neighbours[1]);
        pair[1] = mixed(neighbours[1], neighbours[0]);
    }
    if rest.len() % 2 == 1
        && let Some(right) = rest.last_mut()
    {
        *right = mixed(*last, *last);
    }
}
