//! `ascii`: a picture made of letters, as a page (spec 11 §6).

use std::fmt::Write;

use stowage_core::tasks::{Task, Value};

use super::{alpha::over, values};
use crate::{Bitmap, ImageError, Region, steps::scale::scale};

/// Letters from much ink to none.
const LETTERS: &[u8] = b"@%#WM8BQ&0OC7x1i+=~-:,. ";

/// Letters in a line at 100 percent.
const LINE: f64 = 200.0;

/// A letter is about twice as high as wide.
const LETTER_RATIO: f64 = 0.5;

/// The page.
pub(crate) fn page(task: &Task, bitmap: &Bitmap) -> Result<String, ImageError> {
    let is_on = |name| task.value(name) == Some(Value::Boolean(true));
    let ground = values::colour(task, "background").unwrap_or([u8::MAX; 4]);
    let ink = values::colour(task, "foreground").unwrap_or([0, 0, 0, u8::MAX]);
    let columns = (f64::from(bitmap.width).min(LINE) * values::number(task, "size") / 100.0).round().max(1.0);
    let lines =
        (columns * f64::from(bitmap.height) / f64::from(bitmap.width) * LETTER_RATIO).round().clamp(1.0, 10.0 * LINE);
    let whole = Region::whole(bitmap.width, bitmap.height);
    let small = scale(bitmap, whole, columns as u32, lines as u32, false)?.into_rgba();
    let reverse = is_on("reverse");
    let mut text = String::new();
    for row in small.rows() {
        let pixels = row.as_chunks::<4>().0.iter().map(|pixel| over(*pixel, ground));
        if is_on("colored") {
            coloured(&mut text, pixels, reverse);
        } else {
            text.extend(pixels.map(|pixel| escaped(letter(pixel, reverse))));
        }
        text.push('\n');
    }
    Ok(format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>ASCII</title>\n<style>\n\
         body {{ background: {}; color: {}; }}\npre {{ font: 8px/1 monospace; }}\n</style>\n</head>\n\
         <body>\n<pre>\n{text}</pre>\n</body>\n</html>\n",
        css(ground),
        css(ink),
    ))
}

/// Neighbours of one colour share an element.
fn coloured(text: &mut String, pixels: impl Iterator<Item = [u8; 4]>, reverse: bool) {
    let mut current = None;
    for pixel in pixels {
        // A few shades less, and most neighbours are alike.
        let shade = pixel.map(|channel| channel & 0xf8);
        if current != Some(shade) {
            if current.is_some() {
                text.push_str("</span>");
            }
            // Writing to a String cannot fail.
            let _ = write!(text, "<span style=\"color:{}\">", css([shade[0], shade[1], shade[2], u8::MAX]));
            current = Some(shade);
        }
        text.push_str(escaped(letter(pixel, reverse)));
    }
    if current.is_some() {
        text.push_str("</span>");
    }
}

fn letter([red, green, blue, _]: [u8; 4], reverse: bool) -> u8 {
    let light = (u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114) / 1000;
    let index = light as usize * (LETTERS.len() - 1) / 255;
    LETTERS[if reverse { LETTERS.len() - 1 - index } else { index }]
}

fn escaped(letter: u8) -> &'static str {
    const TEXTS: [&str; LETTERS.len()] = [
        "@", "%", "#", "W", "M", "8", "B", "Q", "&amp;", "0", "O", "C", "7", "x", "1", "i", "+", "=", "~", "-", ":",
        ",", ".", " ",
    ];
    LETTERS.iter().position(|known| *known == letter).map_or(" ", |index| TEXTS[index])
}

fn css([red, green, blue, opacity]: [u8; 4]) -> String {
    if opacity == u8::MAX {
        return format!("#{red:02x}{green:02x}{blue:02x}");
    }
    format!("rgba({red},{green},{blue},{:.3})", f64::from(opacity) / 255.0)
}
