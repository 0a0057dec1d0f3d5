use proptest::prelude::*;

use super::*;
use crate::decode::pattern::{self, difference, only};

const TWO: &[u8] = include_bytes!("../../../tests/fixtures/two.ico");

#[test]
fn the_largest_picture_is_taken() {
    let bitmap = only(open, TWO);
    assert_eq!(difference(&bitmap.pixels, &pattern::rgba()), 0);
    let header = header(TWO, &Limits::default()).expect("a header");
    assert_eq!((header.format, header.width, header.height), (Format::Ico, pattern::WIDTH, pattern::HEIGHT));
}

#[test]
fn pictures_in_png() {
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, pattern::WIDTH, pattern::HEIGHT);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().expect("a PNG");
    writer.write_image_data(&pattern::rgba()).expect("a PNG");
    writer.finish().expect("a PNG");
    let mut entry = vec![pattern::WIDTH as u8, pattern::HEIGHT as u8, 0, 0, 1, 0, 32, 0];
    entry.extend((picture.len() as u32).to_le_bytes());
    let icon = alone(&entry, &picture);
    let opened = open(&icon, &Wish::default(), &Limits::default()).expect("a picture");
    assert_eq!(opened.header.format, Format::Ico);
    assert_eq!(difference(&only(open, &icon).pixels, &pattern::rgba()), 0);
}

#[test]
fn icons_without_pictures_are_broken() {
    for icon in [&TWO[..6], &TWO[..60], &[0, 0, 1, 0, 0, 0, 0, 0]] {
        assert!(matches!(pattern::frames(open, icon, &Wish::default()), Err(ImageError::Broken(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_bytes_never_panic(at: usize, value: u8) {
        pattern::survives(open, TWO, at % 100, value);
        pattern::survives(open, TWO, at, value);
    }
}
