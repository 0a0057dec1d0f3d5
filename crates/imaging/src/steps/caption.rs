//! `text`: a caption in the picture (spec 11 §11).

use stowage_core::tasks::{End, Task};

use super::{Step, values};
use crate::{Bitmap, ImageError, text};

struct Caption {
    text: String,
    /// Height of a line, pixels.
    size: u32,
    colour: [u8; 4],
    vertical: End,
    horizontal: End,
    /// Pixels to the edges of the picture, as far as it has so many.
    padding: u32,
}

pub(super) fn step(task: &Task) -> Option<Box<dyn Step>> {
    if task.name() != "text" {
        return None;
    }
    let (vertical, horizontal) = values::ends(task, "align");
    Some(Box::new(Caption {
        text: task.text("text")?.to_owned(),
        size: values::pixels(task, "size")?,
        colour: values::colour(task, "color")?,
        vertical,
        horizontal,
        padding: values::pixels(task, "padding").unwrap_or_default(),
    }))
}

impl Step for Caption {
    /// Lines that do not fit are left out, but for the first.
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        let margin = |side: u32| self.padding.min((side - 1) / 2);
        let (left, top) = (margin(bitmap.width), margin(bitmap.height));
        let (width, height) = (bitmap.width - 2 * left, bitmap.height - 2 * top);
        let size = self.size as f32;
        let mut lines = text::wrapped(&self.text, size, width as f32);
        lines.truncate((height / self.size).max(1) as usize);
        let free = height.saturating_sub(lines.len() as u32 * self.size);
        let mut y = f64::from(top + values::begin(free, self.vertical));

        let [red, green, blue, _] = self.colour;
        let mut bitmap = if red == green && green == blue { bitmap } else { bitmap.into_colour() };
        for line in lines {
            let free = width.saturating_sub(line.width.ceil() as u32);
            let x = f64::from(left + values::begin(free, self.horizontal));
            text::draw(&mut bitmap, &line.text, x, y, size, self.colour);
            y += f64::from(self.size);
        }
        Ok(bitmap)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{apply, gray, plane};
    use super::*;
    use crate::Layout;

    /// The first and last column and row that are not white.
    fn inked(bitmap: &Bitmap) -> [u32; 4] {
        let channels = bitmap.layout.channels();
        let dark = bitmap.pixels.chunks_exact(channels).enumerate().filter(|(_, pixel)| pixel[channels - 1] < 128);
        dark.fold([u32::MAX, 0, u32::MAX, 0], |[left, right, top, bottom], (place, _)| {
            let (x, y) = (place as u32 % bitmap.width, place as u32 / bitmap.width);
            [left.min(x), right.max(x), top.min(y), bottom.max(y)]
        })
    }

    fn on_white(written: &str) -> [u32; 4] {
        inked(&apply(written, plane(200, 100, [255; 3])))
    }

    #[test]
    fn a_caption_stands_where_it_is_put() {
        let wide = text::wrapped("Hxg", 20.0, 100.0)[0].width.ceil() as u32;
        for (align, padding, columns, rows) in [
            ("[top,left]", 10, 10..=10 + wide, 10..=30),
            ("[bottom,right]", 10, 190 - wide..=190, 70..=90),
            ("[bottom,right]", 0, 200 - wide..=200, 80..=100),
            ("center", 10, 100 - wide / 2 - 1..=100 + wide / 2 + 1, 40..=60),
            ("bottom", 10, 100 - wide / 2 - 1..=100 + wide / 2 + 1, 70..=90),
            ("left", 30, 30..=30 + wide, 40..=60),
        ] {
            let [left, right, top, bottom] = on_white(&format!("text=t:Hxg,a:{align},p:{padding}"));
            let inside =
                columns.contains(&left) && columns.contains(&right) && rows.contains(&top) && rows.contains(&bottom);
            assert!(inside, "{align} {padding}: {:?}", [left, right, top, bottom]);
            assert!(right - left > wide * 3 / 4 && bottom - top > 12, "{align} {padding}");
        }
        assert_eq!(on_white("text=t:Hxg"), on_white("text=t:Hxg,s:20,c:black,a:bottom,p:10"));
        let [.., top, bottom] = on_white("text=t:Hxg,s:60,a:[top,left]");
        assert!(bottom - top > 36);
    }

    #[test]
    fn long_texts_become_lines_within_the_padding() {
        let text = "many%20words%20that%20are%20far%20too%20long%20for%20one%20line";
        let [left, right, top, bottom] = on_white(&format!("text=t:{text},s:15,p:20"));
        assert!(left >= 20 && right < 180 && top >= 20 && bottom < 80, "{:?}", [left, right, top, bottom]);
        assert!(bottom - top > 15, "more than one line");
        // What does not fit is left out at the end, wherever the text stands.
        let cut = |align: &str| on_white(&format!("text=t:\"H%0AH%0AH%0Agggg\",s:30,p:5,a:[{align},left]"));
        assert_eq!(cut("top")[..2], on_white("text=t:H,s:30,p:5,a:left")[..2]);
        assert_eq!(cut("top")[2..], cut("bottom")[2..]);
        // Each line is aligned by itself.
        let [_, right, ..] = on_white("text=t:\"HHHH%0AH\",a:[top,right]");
        let [_, lower, ..] = on_white("text=t:\"%0AH\",a:[top,right]");
        assert!(right.abs_diff(lower) <= 1);
    }

    #[test]
    fn colours_change_the_picture_as_little_as_can_be() {
        let plain = |colour: &str| apply(&format!("text=t:█,c:{colour},p:0"), gray(40, &[255; 1600]));
        assert_eq!(plain("gray0").layout, Layout::Gray);
        let red = plain("red");
        assert!(red.layout == Layout::Rgb && red.pixels.as_chunks::<3>().0.contains(&[255, 0, 0]));
        let half = apply("text=t:█,c:FF000080,p:0", plane(40, 40, [255, 255, 255, 255]));
        assert!(half.pixels.as_chunks::<4>().0.contains(&[255, 127, 127, 255]));
        let clear = apply("text=t:█,c:red,p:0", plane(40, 40, [0; 4]));
        let opaque = clear.pixels.as_chunks::<4>().0.iter().filter(|pixel| pixel[3] > 0).count();
        assert!(clear.pixels.as_chunks::<4>().0.contains(&[255, 0, 0, 255]) && opaque < 800);
    }

    #[test]
    fn letters_that_the_font_lacks_are_boxes() {
        let [left, right, ..] = on_white("text=t:日本");
        assert!(right > left + 10);
    }
}
