//! Text in the embedded font, drawn into a picture.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

use crate::{Bitmap, draw::blend, font::FONT};

/// Width and height of one line, in pixels. `size`: pixels from the top of the highest to the bottom of the lowest letter.
#[cfg(test)]
pub(crate) fn measure(text: &str, size: f32) -> (f32, f32) {
    let Some(font) = font() else { return (0.0, 0.0) };
    let (_, width) = line(&font, text, size);
    (width, size)
}

/// Draws one line whose top left corner lies at `x` and `y`. What reaches out of the picture is left out.
pub(crate) fn draw(bitmap: &mut Bitmap, text: &str, x: f64, y: f64, size: f32, colour: [u8; 4]) {
    let Some(font) = font() else { return };
    let (glyphs, _) = line(&font, text, size);
    for outline in glyphs.into_iter().filter_map(|glyph| font.outline_glyph(glyph)) {
        let corner = outline.px_bounds().min;
        let start = |from: f64, corner: f32| (from.round() as i64).saturating_add(corner as i64);
        let (left, top) = (start(x, corner.x), start(y, corner.y));
        outline.draw(|column, row, coverage| {
            if let Some(pixel) = bitmap.pixel_mut(left.saturating_add(column.into()), top.saturating_add(row.into())) {
                blend(pixel, colour, coverage);
            }
        });
    }
}

/// The embedded font; it can be read, as the tests show.
fn font() -> Option<FontRef<'static>> {
    FontRef::try_from_slice(FONT).ok()
}

/// The letters of a line that starts at the origin, and its width.
fn line(font: &FontRef<'_>, text: &str, size: f32) -> (Vec<Glyph>, f32) {
    let scaled = font.as_scaled(PxScale::from(size));
    let mut right = 0.0;
    let mut last = None;
    let mut glyphs = Vec::new();
    for letter in text.chars() {
        let id = scaled.glyph_id(letter);
        right += last.map_or(0.0, |last| scaled.kern(last, id));
        glyphs.push(id.with_scale_and_position(scaled.scale(), point(right, scaled.ascent())));
        right += scaled.h_advance(id);
        last = Some(id);
    }
    (glyphs, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels darker than half, and the columns and rows that they lie in.
    fn ink(bitmap: &Bitmap) -> Vec<(usize, usize)> {
        let width = bitmap.width as usize;
        let samples = bitmap.pixels.chunks_exact(bitmap.layout.channels()).enumerate();
        samples.filter(|(_, pixel)| pixel[0] < 128).map(|(index, _)| (index % width, index / width)).collect()
    }

    #[test]
    fn letters_stand_where_they_are_measured() {
        let mut bitmap = Bitmap::filled(200, 60, [255; 4]);
        let (width, height) = measure("Ag1", 40.0);
        draw(&mut bitmap, "Ag1", 20.0, 10.0, 40.0, [0, 0, 0, 255]);
        let ink = ink(&bitmap);
        let inside = |&(x, y): &(usize, usize)| {
            let (x, y) = (x as f32 - 20.0, y as f32 - 10.0);
            (-1.0..=width).contains(&x) && (0.0..=height).contains(&y)
        };
        assert!(ink.len() > 200 && ink.iter().all(inside), "{width} × {height}: {ink:?}");
        let right = ink.iter().map(|pixel| pixel.0).max().unwrap_or_default();
        assert!(right as f32 > 20.0 + width * 0.8, "{right} of {width}");

        let (wider, _) = measure("Ag1Ag1", 40.0);
        assert!((wider - 2.0 * width).abs() < width * 0.1);
        assert_eq!(measure("", 40.0).0, 0.0);
    }

    #[test]
    fn text_outside_of_the_picture_is_left_out() {
        let mut bitmap = Bitmap::filled(30, 30, [255; 4]);
        draw(&mut bitmap, "WWW", -20.0, -10.0, 30.0, [0, 0, 0, 255]);
        assert!(!ink(&bitmap).is_empty());
        let before = bitmap.clone();
        draw(&mut bitmap, "WWW", 1e9, -1e9, 30.0, [0, 0, 0, 255]);
        draw(&mut bitmap, "WWW", f64::NAN, f64::INFINITY, 30.0, [0, 0, 0, 255]);
        assert_eq!(before, bitmap);
    }

    #[test]
    fn colours_shine_through_by_their_opacity() {
        let mut half = Bitmap::filled(40, 40, [255; 4]);
        draw(&mut half, "█", 0.0, 0.0, 60.0, [255, 0, 0, 128]);
        assert!(half.pixels.chunks_exact(3).any(|pixel| pixel == [255, 127, 127]));

        let mut clear = Bitmap::filled(40, 40, [9, 9, 9, 0]);
        draw(&mut clear, "█", 0.0, 0.0, 60.0, [255, 0, 0, 128]);
        assert!(clear.pixels.chunks_exact(4).any(|pixel| pixel == [255, 0, 0, 128]));
    }
}
