use std::time::Duration;

use super::{repack, strip, writer};
use crate::decode::{self, Wish};
use crate::encode::Encoding;
use crate::png_chunks::chunks;
use crate::{Bitmap, Format, Frame, Layout, Limits, Metadata};

const PLAIN: Encoding = Encoding::plain(Format::Png);

fn written(encoding: &Encoding, metadata: &Metadata, frames: &[Frame]) -> Vec<u8> {
    let mut writer = writer(encoding, metadata).expect("a writer");
    frames.iter().for_each(|frame| writer.write(frame.clone()).expect("a frame"));
    writer.finish().expect("a file")
}

fn still(bitmap: Bitmap) -> Frame {
    Frame { bitmap, delay: Duration::ZERO }
}

fn read(bytes: &[u8]) -> (Vec<Frame>, Metadata, u16) {
    let mut opened = decode::png::open(bytes, &Wish::default(), &Limits::default()).expect("a good file");
    let frames = std::iter::from_fn(|| opened.frames.next_frame().expect("a good frame")).collect();
    (frames, opened.metadata, opened.loops)
}

fn pattern(layout: Layout, colours: usize) -> Bitmap {
    let pixels = (0..40 * 30).flat_map(|nth| {
        let nth = nth * 7 % colours;
        [(nth % 256) as u8, (nth / 3 % 256) as u8, (nth * 5 % 256) as u8, (255 - nth % 90) as u8]
            .into_iter()
            .take(layout.channels())
    });
    Bitmap::new(40, 30, layout, pixels.collect()).expect("sides that fit")
}

#[test]
fn pixels_come_back_and_lie_as_small_as_they_can() {
    for (layout, colours, kind) in [
        (Layout::Gray, 200, [8, 0]),
        (Layout::Gray, 4, [2, 3]),
        (Layout::Rgb, 2, [1, 3]),
        (Layout::Rgb, 16, [4, 3]),
        (Layout::Rgb, 256, [8, 3]),
        (Layout::Rgb, 257, [8, 2]),
        (Layout::Rgba, 256, [8, 3]),
        (Layout::Rgba, 1000, [8, 6]),
    ] {
        let bitmap = pattern(layout, colours);
        for (fast, progressive, smallest) in
            [(false, false, false), (true, false, false), (false, true, false), (false, false, true)]
        {
            let bytes = written(
                &Encoding { fast, progressive, smallest, ..PLAIN },
                &Metadata::default(),
                &[still(bitmap.clone())],
            );
            assert_eq!(
                read(&bytes).0[0].bitmap.clone().into_rgba(),
                bitmap.clone().into_rgba(),
                "{layout:?} {colours}"
            );
            if !progressive && !smallest {
                assert_eq!(bytes[24..26], kind, "{layout:?} {colours}");
            }
            assert_eq!(bytes[28], u8::from(progressive));
        }
    }
    let opaque = Bitmap { layout: Layout::Rgba, ..pattern(Layout::Rgb, 900).into_rgba() };
    assert_eq!(written(&PLAIN, &Metadata::default(), &[still(opaque)])[25], 2, "opacity that says nothing is left out");
}

#[test]
fn metadata_comes_back_until_it_is_stripped() {
    let mut profile = vec![7; 200];
    profile[16..20].copy_from_slice(b"RGB ");
    let exif = b"MM\0*\0\0\0\x08\0\0\0\0\0\0".to_vec();
    let metadata =
        Metadata { icc: Some(profile), exif: Some(exif), xmp: Some(b"<x/>".to_vec()), ..Metadata::default() };
    let bytes = written(&Encoding { density: Some(300), ..PLAIN }, &metadata, &[still(pattern(Layout::Rgb, 900))]);
    assert_eq!(read(&bytes).1, metadata);
    let density = chunks(&bytes).expect("a PNG").find(|chunk| chunk.kind == b"pHYs").expect("a density");
    assert_eq!(density.data[..4], 11_811u32.to_be_bytes());
    let stripped = strip(&bytes).expect("a good file");
    let Metadata { icc, exif, xmp, .. } = read(&stripped).1;
    assert_eq!((icc, exif, xmp), (metadata.icc.clone(), None, None));
    for keep in [true, false] {
        let packed = repack(&bytes, keep).expect("a good file");
        assert!(packed.len() <= bytes.len());
        let (frames, kept, _) = read(&packed);
        assert_eq!((&frames[0].bitmap, kept.exif.is_some()), (&pattern(Layout::Rgb, 900), keep));
    }
    assert!(strip(&bytes[..bytes.len() - 5]).is_err());
}

#[test]
fn animations_come_back() {
    let mut frames: Vec<Frame> = (1..5)
        .map(|nth| Frame { bitmap: pattern(Layout::Rgba, 100 * nth), delay: Duration::from_millis(40 * nth as u64) })
        .collect();
    let mut moved = frames[3].clone();
    moved.bitmap.pixels[400..408].fill(255);
    frames.extend([moved.clone(), moved.clone()]);
    moved.bitmap.pixels[800..840].fill(0);
    frames.push(moved);
    let bytes = written(&Encoding { animated: true, loops: 4, ..PLAIN }, &Metadata::default(), &frames);
    let (shown, _, loops) = read(&bytes);
    assert_eq!((shown.len(), loops), (frames.len(), 4));
    for (shown, frame) in shown.into_iter().zip(frames) {
        assert_eq!((shown.bitmap.into_rgba(), shown.delay), (frame.bitmap, frame.delay));
    }
}
