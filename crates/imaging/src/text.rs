//! Text in the embedded font, drawn into a picture.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

use crate::{Bitmap, draw::blend, font::FONT};

/// A line of a longer text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    /// Its letters.
    pub(crate) text: String,
    /// Pixels.
    pub(crate) width: f32,
}

/// A text as lines of at most `most` pixels. Words stay whole if a line can hold them; a line holds at least one letter.
/// `size`: pixels from the top of the highest to the bottom of the lowest letter.
pub(crate) fn wrapped(text: &str, size: f32, most: f32) -> Vec<Line> {
    let Some(font) = font() else { return Vec::new() };
    let space = measured(&font, " ", size).1;
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = Line::default();
        for piece in paragraph.split_whitespace().flat_map(|word| pieces(&font, word, size, most)) {
            if line.text.is_empty() {
                line = piece;
            } else if line.width + space + piece.width <= most {
                line.text.extend([" ", &piece.text]);
                line.width += space + piece.width;
            } else {
                lines.push(std::mem::replace(&mut line, piece));
            }
        }
        lines.push(line);
    }
    lines
}

/// A word in parts that lines can hold, each but the last as long as can be. Nothing is drawn for control characters.
fn pieces(font: &FontRef<'_>, word: &str, size: f32, most: f32) -> Vec<Line> {
    let word: String = word.chars().filter(|letter| !letter.is_control()).collect();
    let scaled = font.as_scaled(PxScale::from(size));
    let mut pieces = Vec::new();
    let mut piece = Line::default();
    let mut left = 0.0;
    for (letter, glyph) in word.chars().zip(measured(font, &word, size).0) {
        let right = glyph.position.x + scaled.h_advance(glyph.id);
        if !piece.text.is_empty() && right - left > most {
            pieces.push(std::mem::take(&mut piece));
            left = glyph.position.x;
        }
        piece.text.push(letter);
        piece.width = right - left;
    }
    pieces.push(piece);
    pieces
}

/// Draws one line whose top left corner lies at `x` and `y`. What reaches out of the picture is left out.
pub(crate) fn draw(bitmap: &mut Bitmap, text: &str, x: f64, y: f64, size: f32, colour: [u8; 4]) {
    let Some(font) = font() else { return };
    let (glyphs, _) = measured(&font, text, size);
    for outline in glyphs.into_iter().filter_map(|glyph| font.outline_glyph(glyph)) {
        let corner = outline.px_bounds().min;
        let start = |from: f64, corner: f32| (from.round() as i64).saturating_add(corner as i64);
        let (left, top) = (start(x, corner.x), start(y, corner.y));
        if left >= bitmap.width.into() || top >= bitmap.height.into() {
            continue;
        }
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
fn measured(font: &FontRef<'_>, text: &str, size: f32) -> (Vec<Glyph>, f32) {
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

    fn width(text: &str, size: f32) -> f32 {
        measured(&font().expect("the embedded font"), text, size).1
    }

    /// Pixels darker than half, and the columns and rows that they lie in.
    fn ink(bitmap: &Bitmap) -> Vec<(usize, usize)> {
        let width = bitmap.width as usize;
        let samples = bitmap.pixels.chunks_exact(bitmap.layout.channels()).enumerate();
        samples.filter(|(_, pixel)| pixel[0] < 128).map(|(index, _)| (index % width, index / width)).collect()
    }

    #[test]
    fn letters_stand_where_they_are_measured() {
        let mut bitmap = Bitmap::filled(200, 60, [255; 4]);
        let (width, height) = (width("Ag1", 40.0), 40.0);
        draw(&mut bitmap, "Ag1", 20.0, 10.0, 40.0, [0, 0, 0, 255]);
        let ink = ink(&bitmap);
        let inside = |&(x, y): &(usize, usize)| {
            let (x, y) = (x as f32 - 20.0, y as f32 - 10.0);
            (-1.0..=width).contains(&x) && (0.0..=height).contains(&y)
        };
        assert!(ink.len() > 200 && ink.iter().all(inside), "{width} × {height}: {ink:?}");
        let right = ink.iter().map(|pixel| pixel.0).max().unwrap_or_default();
        assert!(right as f32 > 20.0 + width * 0.8, "{right} of {width}");

        let wider = self::width("Ag1Ag1", 40.0);
        assert!((wider - 2.0 * width).abs() < width * 0.1);
        assert_eq!(self::width("", 40.0), 0.0);
    }

    fn lines_of(text: &str, most: f32) -> Vec<String> {
        wrapped(text, 20.0, most).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_broken_between_words_and_long_words_anywhere() {
        let most = width("eight hundred", 20.0);
        for (text, expected) in [
            ("eight hundred miles", vec!["eight hundred", "miles"]),
            ("one\r\n\n  two\tthree ", vec!["one", "", "two three"]),
            ("a\u{0}b\u{7f}", vec!["ab"]),
            ("", vec![]),
        ] {
            assert_eq!(lines_of(text, most), expected, "{text:?}");
        }
        let lines = lines_of("to Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch", most);
        assert!(lines.len() > 3 && lines[0] == "to", "{lines:?}");
        assert!(lines.iter().all(|line| width(line, 20.0) <= most), "{lines:?}");
        assert_eq!(lines[1..].concat(), "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch");
        assert_eq!(lines_of("né 日", 0.0), ["n", "é", "日"]);
        for line in wrapped("AVAVA To, Te. fifty LT", 20.0, 80.0) {
            assert!((line.width - width(&line.text, 20.0)).abs() < 1.0 && line.width <= 80.0, "{line:?}");
        }
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
