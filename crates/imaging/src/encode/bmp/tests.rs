use super::*;
use crate::{
    Format, Limits,
    decode::{Wish, open},
    encode::pattern::{frame, picture},
};

fn decoded(bytes: &[u8]) -> Bitmap {
    let mut opened = open(bytes, &Wish::default(), &Limits::default()).expect("a BMP");
    opened.frames.next_frame().expect("a BMP").expect("a frame").bitmap
}

#[test]
fn what_is_written_is_read() {
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        let mut output = writer(&Encoding { density: Some(300), ..Encoding::plain(Format::Bmp) }, &Metadata::default())
            .expect("a writer");
        output.write(frame(layout)).expect("a frame");
        assert!(matches!(output.write(frame(layout)), Err(ImageError::Unsupported(_))), "one picture only");
        let bytes = output.finish().expect("a file");
        assert_eq!(&bytes[RESOLUTION], [11_811u32.to_le_bytes(), 11_811u32.to_le_bytes()].concat());
        let expected = if layout == Layout::Gray { picture(layout).into_colour() } else { picture(layout) };
        assert_eq!(decoded(&bytes).into_colour(), expected);
    }
    let empty = writer(&Encoding::plain(Format::Bmp), &Metadata::default()).expect("a writer");
    assert!(empty.finish().is_err());
}
