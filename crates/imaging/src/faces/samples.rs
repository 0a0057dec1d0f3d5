//! Pictures with and without faces, for tests.

use std::io::Cursor;

use crate::{Bitmap, Layout, steps::scale::cut};

/// A portrait of 128 × 96 pixels with one face, [`FACE`].
pub(crate) fn portrait() -> Bitmap {
    cut(&read(include_bytes!("../../tests/fixtures/face.tiff")), 32, 0, 128, 96)
}

/// Left, top, right and bottom of the face of the portrait, from forehead to chin, as a person would draw them.
pub(crate) const FACE: [f64; 4] = [36.0, 25.0, 69.0, 66.0];

/// A cat that looks into the camera, 192 × 128 pixels.
pub(crate) fn cat() -> Bitmap {
    read(include_bytes!("../../tests/fixtures/cat.tiff"))
}

fn read(bytes: &[u8]) -> Bitmap {
    let mut decoder = tiff::decoder::Decoder::new(Cursor::new(bytes)).expect("a TIFF file");
    let (width, height) = decoder.dimensions().expect("its sides");
    let tiff::decoder::DecodingResult::U8(pixels) = decoder.read_image().expect("its pixels") else {
        panic!("not eight bits")
    };
    Bitmap::new(width, height, Layout::Rgb, pixels).expect("three samples for each pixel")
}

/// A picture on a larger ground, at each of these places.
pub(crate) fn placed(picture: &Bitmap, width: u32, height: u32, places: &[(u32, u32)]) -> Bitmap {
    let mut ground = Bitmap::filled(width, height, [90, 110, 130, 255]);
    let stride = ground.stride();
    for &(x, y) in places {
        let lines = ground.pixels.chunks_exact_mut(stride).skip(y as usize);
        for (line, row) in lines.zip(picture.rows()) {
            line[x as usize * 3..][..row.len()].copy_from_slice(row);
        }
    }
    ground
}
