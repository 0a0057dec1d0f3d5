use proptest::prelude::*;

use super::*;
use crate::{
    Layout,
    decode::pattern::{self, HEIGHT, WIDTH, difference, only, rgb},
};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/", $name))
    };
}

#[test]
fn layouts_compressions_and_depths() {
    let exact: [(&[u8], Vec<u8>); 6] = [
        (fixture!("tiled-lzw.tiff"), rgb()),
        (fixture!("deflate16.tiff"), rgb()),
        (fixture!("planar-packbits.tiff"), rgb()),
        (fixture!("float.tiff"), rgb()),
        (fixture!("palette4.tiff"), fixture!("palette4.tiff.rgb").to_vec()),
        (fixture!("palette8.tiff"), fixture!("palette8.tiff.rgb").to_vec()),
    ];
    for (index, (bytes, expected)) in exact.into_iter().enumerate() {
        let bitmap = only(open, bytes);
        assert_eq!((bitmap.width, bitmap.height, bitmap.layout), (WIDTH, HEIGHT, Layout::Rgb));
        // The other program rounds the 16 bits of a palette in its own way.
        let tolerance = u8::from(index >= 4);
        assert!(difference(&bitmap.pixels, &expected) <= tolerance, "file {index}");
    }
    assert!(difference(&only(open, fixture!("jpeg.tiff")).pixels, &rgb()) < 100, "JPEG is lossy");
    assert!(difference(&only(open, fixture!("cmyk.tiff")).pixels, &rgb()) <= 2);
    for bilevel in [&fixture!("bilevel.tiff")[..], fixture!("fax4.tiff")] {
        let bitmap = only(open, bilevel);
        assert_eq!(bitmap.layout, Layout::Gray);
        assert_eq!(difference(&bitmap.pixels, fixture!("bilevel.gray")), 0);
    }
    assert!(difference(&only(open, fixture!("gray.tiff")).pixels, &pattern::gray()) <= 1);
}

#[test]
fn opacity() {
    assert_eq!(difference(&only(open, fixture!("unassociated.tiff")).pixels, &pattern::rgba()), 0);
    let associated = only(open, fixture!("associated.tiff"));
    pattern::assert_same_over_opacity(&associated.pixels, &pattern::rgba());
    let gray = only(open, fixture!("gray-alpha.tiff"));
    let expected: Vec<u8> = pattern::gray()
        .iter()
        .zip(pattern::rgba().chunks_exact(4))
        .flat_map(|(level, pixel)| [*level, *level, *level, pixel[3]])
        .collect();
    assert!(difference(&gray.pixels, &expected) <= 1);
    assert!(header(fixture!("gray-alpha.tiff"), &Limits::default()).expect("a header").alpha);
}

#[test]
fn pages_orientation_and_profile() {
    let pages = fixture!("pages-big.tiff");
    let second = Wish { page: 2, ..Wish::default() };
    let negative: Vec<u8> = rgb().iter().map(|level| 255 - level).collect();
    assert_eq!(pattern::frames(open, pages, &Wish::default()).expect("page 1")[0].bitmap.pixels, rgb());
    assert_eq!(pattern::frames(open, pages, &second).expect("page 2")[0].bitmap.pixels, negative);
    let third = pattern::frames(open, pages, &Wish { page: 3, ..Wish::default() });
    assert_eq!(third, Err(ImageError::Parameter { task: "output", parameter: "page" }));
    let opened = open(fixture!("turned.tiff"), &Wish::default(), &Limits::default()).expect("a picture");
    assert_eq!(opened.metadata.orientation, Orientation::Turned90);
    assert_eq!((opened.header.width, opened.header.height), (WIDTH, HEIGHT), "stored sides");
}

/// A little-endian directory of numbers.
fn directory(tags: &[(u16, u32)]) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        file.extend(tag.to_le_bytes());
        file.extend([4, 0, 1, 0, 0, 0]);
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

#[test]
fn bombs_are_refused_by_their_header() {
    let strip = [(258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 65_535), (279, 100)];
    let huge = [&[(256, 65_535), (257, 65_535)][..], &strip].concat();
    assert!(pattern::is_too_large(open, &directory(&huge)));
    // One column, but each tile is as wide as a tile can be.
    let tile =
        [(256, 1), (257, 16), (258, 8), (259, 1), (262, 1), (277, 1), (322, 1 << 30), (323, 16), (324, 8), (325, 100)];
    assert!(pattern::is_too_large(open, &directory(&tile)));
    let mut jpeg = fixture!("jpeg.tiff").to_vec();
    let at = jpeg.windows(2).rposition(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    jpeg[at + 5..at + 9].fill(0xf0);
    assert!(
        matches!(open(&jpeg, &Wish::default(), &Limits::default()), Err(ImageError::Broken(_))),
        "a JPEG larger than its strip"
    );
}

#[test]
fn truncated_files_are_broken() {
    for bytes in [&fixture!("tiled-lzw.tiff")[..], fixture!("bilevel.tiff"), fixture!("jpeg.tiff")] {
        // The directory is at the end of these files, so what is cut out lies before it.
        let mut zeroed = bytes.to_vec();
        let length = zeroed.len() / 4;
        zeroed.drain(8..length);
        let read = pattern::frames(open, &zeroed, &Wish::default());
        assert!(read.is_err());
        assert!(pattern::frames(open, &bytes[..bytes.len() / 2], &Wish::default()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_bytes_never_panic(at: usize, value: u8) {
        for bytes in [&fixture!("tiled-lzw.tiff")[..], fixture!("palette4.tiff"), fixture!("planar-packbits.tiff"), fixture!("jpeg.tiff"), fixture!("fax4.tiff"), fixture!("pages-big.tiff")] {
            pattern::survives(open, bytes, at, value);
        }
    }
}
