use super::*;
use crate::{
    Layout, Limits,
    decode::{Wish, open},
    encode::pattern::{frame, picture},
};

fn written(layout: Layout) -> Vec<u8> {
    let mut output = writer(&Encoding::plain(Format::Svg), &Metadata::default()).expect("a writer");
    output.write(frame(layout)).expect("a frame");
    assert!(matches!(output.write(frame(layout)), Err(ImageError::Unsupported(_))));
    output.finish().expect("a file")
}

#[test]
fn what_is_written_is_drawn() {
    let transparent = written(Layout::Rgba);
    let mut opened = open(&transparent, &Wish::default(), &Limits::default()).expect("an SVG");
    let drawn = opened.frames.next_frame().expect("an SVG").expect("a frame").bitmap;
    let expected = picture(Layout::Rgba);
    assert_eq!((drawn.width, drawn.height), (21, 13));
    for (found, expected) in drawn.pixels.chunks_exact(4).zip(expected.pixels.chunks_exact(4)) {
        // The drawing multiplies colours by their opacity and back.
        let tolerance = 255 / u32::from(expected[3]).max(1) + 1;
        assert!(found[3].abs_diff(expected[3]) <= 1);
        assert!(
            expected[3] == 0
                || found
                    .iter()
                    .zip(expected)
                    .all(|(found, expected)| u32::from(found.abs_diff(*expected)) <= tolerance)
        );
    }
    let opaque = String::from_utf8(written(Layout::Rgb)).expect("text");
    assert!(opaque.contains("data:image/jpeg;base64,/9j/") && opaque.contains(r#"viewBox="0 0 21 13""#));
}
