use super::*;
use crate::{
    Format, Limits,
    decode::{Wish, open},
    encode::pattern::{frame, picture},
};

fn written(encoding: &Encoding, metadata: &Metadata, layouts: &[Layout]) -> Vec<u8> {
    let mut output = writer(encoding, metadata).expect("a writer");
    for layout in layouts {
        output.write(frame(*layout)).expect("a frame");
    }
    output.finish().expect("a file")
}

fn page(bytes: &[u8], page: u32) -> (Bitmap, Metadata) {
    let mut opened = open(bytes, &Wish { page, ..Wish::default() }, &Limits::default()).expect("a TIFF");
    (opened.frames.next_frame().expect("a TIFF").expect("a frame").bitmap, opened.metadata)
}

#[test]
fn pages_of_all_layouts() {
    let layouts = [Layout::Gray, Layout::Rgb, Layout::Rgba];
    for smallest in [false, true] {
        let bytes = written(&Encoding { smallest, ..Encoding::plain(Format::Tiff) }, &Metadata::default(), &layouts);
        for (layout, number) in layouts.into_iter().zip(1..) {
            assert_eq!(page(&bytes, number).0, picture(layout));
        }
    }
}

#[test]
fn metadata_density_and_inks() {
    let icc = moxcms::ColorProfile::new_display_p3().encode().expect("a profile");
    let metadata = Metadata {
        icc: Some(icc.clone()),
        xmp: Some(b"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/>".to_vec()),
        exif: None,
        orientation: Orientation::Turned90,
    };
    let dense = Encoding { density: Some(300), ..Encoding::plain(Format::Tiff) };
    let bytes = written(&dense, &metadata, &[Layout::Rgb]);
    assert_eq!(page(&bytes, 1).1, metadata);
    let mut decoder = ::tiff::decoder::Decoder::new(Cursor::new(&bytes)).expect("a TIFF");
    let resolution = decoder.get_tag(Tag::XResolution).expect("a resolution");
    assert_eq!(format!("{resolution:?}"), "Rational(300, 1)");
    let cmyk = Encoding { cmyk: true, ground: [0, 255, 0], ..Encoding::plain(Format::Tiff) };
    let inks = written(&cmyk, &Metadata::default(), &[Layout::Rgba]);
    let mut decoder = ::tiff::decoder::Decoder::new(Cursor::new(&inks)).expect("a TIFF");
    assert_eq!(decoder.colortype().expect("a colour"), ::tiff::ColorType::CMYK(8));
    let expected = picture(Layout::Rgba).flattened([0, 255, 0]);
    let (found, _) = page(&inks, 1);
    assert!(found.pixels.iter().zip(&expected.pixels).all(|(found, expected)| found.abs_diff(*expected) <= 1));
    assert_eq!(page(&written(&cmyk, &metadata, &[Layout::Rgb]), 1).1.icc, None, "the profile is used up");
}
