use proptest::prelude::*;

use super::*;
use crate::decode::pattern::{self, HEIGHT, WIDTH, difference, only, rgb, rgba};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/", $name))
    };
}

/// A file with raw planes; `layers` is their number as it is stored.
fn file(mode: u16, depth: u16, planes: &[Vec<u8>], palette: &[u8], layers: i16) -> Vec<u8> {
    let mut file = b"8BPS\0\x01\0\0\0\0\0\0".to_vec();
    file.extend((planes.len() as u16).to_be_bytes());
    file.extend([HEIGHT.to_be_bytes(), WIDTH.to_be_bytes()].concat());
    file.extend([depth.to_be_bytes(), mode.to_be_bytes()].concat());
    file.extend((palette.len() as u32).to_be_bytes());
    file.extend(palette);
    let resources = [&b"8BIM\x04\x24\0\0\0\0\0\x03xmp\0"[..], b"8BIM\x04\x0f\x01n\0\0\0\x02cc"].concat();
    file.extend((resources.len() as u32).to_be_bytes());
    file.extend(resources);
    file.extend([0, 0, 0, 6, 0, 0, 0, 2]);
    file.extend(layers.to_be_bytes());
    file.extend([0, 0]);
    file.extend(planes.concat());
    file
}

fn planes(pixels: &[u8], channels: usize) -> Vec<Vec<u8>> {
    (0..channels).map(|channel| pixels.iter().skip(channel).step_by(channels).copied().collect()).collect()
}

#[test]
fn files_of_another_program() {
    for (bytes, tolerance) in
        [(&fixture!("rgb.psd")[..], 0), (fixture!("rgb.psb"), 0), (fixture!("rgb16.psd"), 0), (fixture!("cmyk.psd"), 2)]
    {
        let bitmap = only(open, bytes);
        assert_eq!((bitmap.width, bitmap.height, bitmap.layout), (WIDTH, HEIGHT, Layout::Rgb));
        assert!(difference(&bitmap.pixels, &rgb()) <= tolerance);
    }
    let gray = only(open, fixture!("gray.psd"));
    assert!(gray.layout == Layout::Gray && difference(&gray.pixels, &pattern::gray()) <= 1);
}

#[test]
fn opacity_is_told_from_a_saved_selection() {
    let on_white: Vec<u8> = rgba()
        .chunks_exact(4)
        .flat_map(|pixel| {
            let mixed = |level: u8| {
                ((u32::from(level) * u32::from(pixel[3]) + 255 * (255 - u32::from(pixel[3])) + 127) / 255) as u8
            };
            [mixed(pixel[0]), mixed(pixel[1]), mixed(pixel[2]), pixel[3]]
        })
        .collect();
    let transparent = only(open, &file(3, 8, &planes(&on_white, 4), &[], -1));
    pattern::assert_same_over_opacity(&transparent.pixels, &rgba());
    assert_eq!(only(open, &file(3, 8, &planes(&rgba(), 4), &[], 1)).pixels, rgb());
}

#[test]
fn palettes_bits_and_resources() {
    let palette: Vec<u8> = (0..=255).chain((0..=255).rev()).chain([7; 256]).collect();
    let indices: Vec<u8> = (0..WIDTH * HEIGHT).map(|at| at as u8).collect();
    let expected: Vec<u8> = indices.iter().flat_map(|index| [*index, 255 - index, 7]).collect();
    assert_eq!(only(open, &file(2, 8, &[indices], &palette, 0)).pixels, expected);
    let bits = only(open, &file(0, 1, &[[0b1000_0001, 0, 0xff].repeat(HEIGHT as usize)], &[], 0));
    let row = [&[0, 255, 255, 255, 255, 255, 255, 0][..], &[255; 8], &[0; 8]].concat();
    assert_eq!(bits.pixels, row.repeat(HEIGHT as usize));
    let bytes = file(3, 8, &planes(&rgb(), 3), &[], 0);
    let opened = open(&bytes, &Wish::default(), &Limits::default()).expect("a picture");
    assert_eq!((opened.metadata.xmp.as_deref(), opened.metadata.icc.as_deref()), (Some(&b"xmp"[..]), Some(&b"cc"[..])));
}

#[test]
fn what_is_refused() {
    let good = file(3, 8, &planes(&rgb(), 3), &[], 0);
    let refused = |bytes: &[u8]| pattern::frames(open, bytes, &Wish::default()).expect_err("no picture");
    assert!(matches!(refused(&good[..good.len() - 1]), ImageError::Broken(_)));
    assert!(matches!(refused(&file(9, 8, &planes(&rgb(), 3), &[], 0)), ImageError::Unsupported(_)));
    assert!(matches!(refused(&file(3, 32, &planes(&rgb(), 3), &[], 0)), ImageError::Unsupported(_)));
    let layer = pattern::frames(open, &good, &Wish { page: 2, ..Wish::default() });
    assert!(matches!(layer, Err(ImageError::Unsupported(_))));
    let mut huge = good;
    huge[14..22].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    assert!(pattern::is_too_large(open, &huge));
    let mut packed = fixture!("rgb.psb").to_vec();
    packed.truncate(packed.len() - 3);
    assert!(matches!(refused(&packed), ImageError::Broken(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_bytes_never_panic(at: usize, value: u8) {
        for bytes in [&fixture!("rgb.psd")[..], fixture!("rgb.psb"), fixture!("cmyk.psd"), fixture!("rgb16.psd")] {
            pattern::survives(open, bytes, at, value);
            pattern::survives(open, bytes, at % 100, value);
        }
    }

    #[test]
    fn unpacked_rows_never_panic(packed: Vec<u8>, length in 0usize..64) {
        planes::unpack(&packed, &mut vec![0; length]);
    }
}
