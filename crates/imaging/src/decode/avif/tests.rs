use std::{ptr, time::Duration};

use libavif_sys as avif;
use proptest::prelude::*;

use super::super::samples::{damage, decoded, difference, encoded, exif, only, opened, read_out, smooth, still};
use crate::{
    Bitmap, Format, Frame, ImageError, Layout, Limits, Metadata, Orientation, Region,
    decode::{Wish, open},
    encode::Encoding,
    steps::geometry::turned,
};

fn avif(bitmap: Bitmap) -> Vec<u8> {
    encoded(Encoding::plain(Format::Avif), &Metadata::default(), &[still(bitmap)]).expect("encoded")
}

/// What other encoders write.
struct Foreign {
    depth: u32,
    format: avif::avifPixelFormat,
    range: avif::avifRange,
    matrix: u32,
    primaries: u32,
    premultiplied: bool,
    clap: Option<avif::avifCleanApertureBox>,
    /// Cells beside each other, all of them the same picture.
    cells: u32,
}

impl Default for Foreign {
    fn default() -> Self {
        Self {
            depth: 8,
            format: avif::AVIF_PIXEL_FORMAT_YUV444,
            range: avif::AVIF_RANGE_LIMITED,
            matrix: avif::AVIF_MATRIX_COEFFICIENTS_BT709,
            primaries: avif::AVIF_COLOR_PRIMARIES_BT709,
            premultiplied: false,
            clap: None,
            cells: 1,
        }
    }
}

impl Foreign {
    fn encode(&self, bitmap: &Bitmap) -> Vec<u8> {
        let bitmap = bitmap.clone().into_colour();
        // SAFETY: all objects are made, used and freed here; the pixels live as long as they are read.
        unsafe {
            let image = avif::avifImageCreate(bitmap.width, bitmap.height, self.depth, self.format);
            (*image).yuvRange = self.range;
            (*image).matrixCoefficients = self.matrix as u16;
            (*image).colorPrimaries = self.primaries as u16;
            (*image).transferCharacteristics = avif::AVIF_TRANSFER_CHARACTERISTICS_SRGB as u16;
            (*image).alphaPremultiplied = i32::from(self.premultiplied);
            if let Some(clap) = self.clap {
                (*image).transformFlags |= avif::AVIF_TRANSFORM_CLAP;
                (*image).clap = clap;
            }
            let mut rgb = avif::avifRGBImage::default();
            avif::avifRGBImageSetDefaults(&mut rgb, image);
            rgb.depth = 8;
            rgb.format =
                if bitmap.layout == Layout::Rgba { avif::AVIF_RGB_FORMAT_RGBA } else { avif::AVIF_RGB_FORMAT_RGB };
            rgb.pixels = bitmap.pixels.as_ptr().cast_mut();
            rgb.rowBytes = bitmap.stride() as u32;
            assert_eq!(avif::avifImageRGBToYUV(image, &rgb), avif::AVIF_RESULT_OK);
            let encoder = avif::avifEncoderCreate();
            (*encoder).speed = 9;
            (*encoder).quality = 95;
            let cells = vec![image.cast_const(); self.cells as usize];
            let added = if self.cells > 1 {
                avif::avifEncoderAddImageGrid(encoder, self.cells, 1, cells.as_ptr(), avif::AVIF_ADD_IMAGE_FLAG_SINGLE)
            } else {
                avif::avifEncoderAddImage(encoder, image, 1, avif::AVIF_ADD_IMAGE_FLAG_SINGLE)
            };
            assert_eq!(added, avif::AVIF_RESULT_OK);
            let mut output = avif::avifRWData { data: ptr::null_mut(), size: 0 };
            assert_eq!(avif::avifEncoderFinish(encoder, &mut output), avif::AVIF_RESULT_OK);
            let bytes = std::slice::from_raw_parts(output.data, output.size).to_vec();
            avif::avifRWDataFree(&mut output);
            avif::avifEncoderDestroy(encoder);
            avif::avifImageDestroy(image);
            bytes
        }
    }
}

#[test]
fn stills_survive_in_every_layout() {
    for (width, height) in [(61, 47), (1, 1), (2, 1), (1, 3), (64, 48)] {
        for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
            let file = avif(smooth(width, height, layout));
            let opened = opened(&file);
            assert_eq!((opened.header.width, opened.header.height, opened.header.frames), (width, height, 1));
            assert_eq!(opened.header.alpha, layout == Layout::Rgba);
            assert_eq!((opened.shows, opened.loops), (Region::whole(width, height), 0));
            assert_eq!(opened.metadata, Metadata::default());
            let bitmap = only(&file, &Wish::default());
            let difference = difference(&bitmap, &smooth(width, height, layout));
            // Where a few pixels share a colour difference, little of the colour is left.
            assert!(difference < 3.0 || width < 3, "{width}×{height} {layout:?}: {difference}");
        }
    }
}

#[test]
fn files_of_other_encoders_show_the_same_picture() {
    let eight = Foreign::default;
    let kinds = [
        ("limited range", eight()),
        ("422", Foreign { format: avif::AVIF_PIXEL_FORMAT_YUV422, ..eight() }),
        ("10 bit 420", Foreign { depth: 10, format: avif::AVIF_PIXEL_FORMAT_YUV420, ..eight() }),
        ("12 bit full", Foreign { depth: 12, range: avif::AVIF_RANGE_FULL, ..eight() }),
        ("BT.2020", Foreign { depth: 10, matrix: avif::AVIF_MATRIX_COEFFICIENTS_BT2020_NCL, ..eight() }),
        (
            "without a matrix",
            Foreign { range: avif::AVIF_RANGE_FULL, matrix: avif::AVIF_MATRIX_COEFFICIENTS_IDENTITY, ..eight() },
        ),
        ("YCgCo", Foreign { matrix: avif::AVIF_MATRIX_COEFFICIENTS_YCGCO, range: avif::AVIF_RANGE_FULL, ..eight() }),
    ];
    for (name, kind) in kinds {
        for layout in [Layout::Rgb, Layout::Rgba] {
            let bitmap = only(&kind.encode(&smooth(70, 53, layout)), &Wish::default());
            let difference = difference(&bitmap, &smooth(70, 53, layout));
            assert!(difference < 2.0, "{name} {layout:?}: {difference}");
        }
    }
    let premultiplied = Foreign { premultiplied: true, ..eight() }.encode(&smooth(64, 64, Layout::Rgba));
    let difference = difference(&only(&premultiplied, &Wish::default()), &smooth(64, 64, Layout::Rgba));
    assert!(difference < 3.0, "colours are those beside the opacity: {difference}");
}

#[test]
fn grids_apertures_and_wide_colours_are_understood() {
    let grid = Foreign { cells: 2, ..Foreign::default() }.encode(&smooth(64, 64, Layout::Rgb));
    let bitmap = only(&grid, &Wish::default());
    assert_eq!((bitmap.width, bitmap.height), (128, 64));
    let right = super::pixels::cropped(bitmap, 64, 0, 64, 64);
    assert!(difference(&right, &smooth(64, 64, Layout::Rgb)) < 2.0);

    // 40 by 20 pixels whose middle is 2 right of and 4 above that of 64 by 48.
    let clap = avif::avifCleanApertureBox {
        widthN: 40,
        widthD: 1,
        heightN: 20,
        heightD: 1,
        horizOffN: 2,
        horizOffD: 1,
        vertOffN: (-4_i32).cast_unsigned(),
        vertOffD: 1,
    };
    let file = Foreign { clap: Some(clap), ..Foreign::default() }.encode(&smooth(64, 48, Layout::Rgb));
    assert_eq!((opened(&file).header.width, opened(&file).header.height), (40, 20));
    let expected = super::pixels::cropped(smooth(64, 48, Layout::Rgb), 14, 10, 40, 20);
    assert!(difference(&only(&file, &Wish::default()), &expected) < 2.0);

    let wide = Foreign { primaries: avif::AVIF_COLOR_PRIMARIES_SMPTE432, ..Foreign::default() };
    let file = wide.encode(&smooth(8, 8, Layout::Rgb));
    let icc = opened(&file).metadata.icc.expect("a profile of Display P3");
    assert!(moxcms::ColorProfile::new_from_slice(&icc).is_ok());
}

#[test]
fn metadata_goes_through_and_pictures_stand_upright() {
    for orientation in 1..=8 {
        let turn = Orientation::from_exif(orientation.into());
        let given = Metadata {
            icc: Some(b"a profile".to_vec()),
            exif: Some(exif(orientation)),
            xmp: Some(b"<x/>".to_vec()),
            orientation: turn,
        };
        let file =
            encoded(Encoding::plain(Format::Avif), &given, &[still(smooth(40, 24, Layout::Rgb))]).expect("encoded");
        let opened = opened(&file);
        assert_eq!(opened.metadata, Metadata { exif: Some(exif(1)), orientation: Orientation::Upright, ..given });
        let (turns, mirrored) = turn.upright();
        let expected = turned(smooth(40, 24, Layout::Rgb), turns, mirrored);
        assert_eq!((opened.header.width, opened.header.height), (expected.width, expected.height));
        let difference = difference(&only(&file, &Wish::default()), &expected);
        assert!(difference < 3.0, "{orientation}: {difference}");
    }
    let nonsense = Metadata { exif: Some(b"nonsense".to_vec()), ..Metadata::default() };
    let file = encoded(Encoding::plain(Format::Avif), &nonsense, &[still(smooth(4, 4, Layout::Rgb))]).expect("encoded");
    assert_eq!(opened(&file).metadata.exif, None, "EXIF that nobody could read is left out");
}

fn sequence(layout: Layout, loops: u16) -> (Vec<Frame>, Vec<u8>) {
    let frame = |index: u32| {
        let mut bitmap = smooth(40, 30, layout);
        bitmap.pixels.rotate_left(index as usize * 10 * layout.channels());
        Frame { bitmap, delay: Duration::from_millis(u64::from(40 + index * 30)) }
    };
    let frames: Vec<_> = (0..4).map(frame).collect();
    let wanted = Encoding { animated: true, loops, quality: Some(90), ..Encoding::plain(Format::Avif) };
    let given = Metadata { icc: Some(b"a profile".to_vec()), ..Metadata::default() };
    let file = encoded(wanted, &given, &frames).expect("encoded");
    (frames, file)
}

#[test]
fn sequences_keep_frames_delays_and_loops() {
    for (layout, loops) in [(Layout::Rgb, 0), (Layout::Rgba, 1), (Layout::Rgb, 3)] {
        let (frames, file) = sequence(layout, loops);
        let opened = opened(&file);
        assert_eq!((opened.header.frames, opened.loops), (4, loops));
        assert_eq!(opened.metadata.icc.as_deref(), Some(&b"a profile"[..]));
        let read = decoded(&file, &Wish::default()).expect("decoded");
        assert_eq!(read.len(), 4);
        for (read, written) in read.iter().zip(&frames) {
            assert_eq!(read.delay, written.delay);
            let difference = difference(&read.bitmap, &written.bitmap);
            assert!(difference < 8.0, "{layout:?}: {difference}");
        }
        let first = decoded(&file, &Wish { still: true, ..Wish::default() }).expect("decoded");
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].bitmap, read[0].bitmap);
    }
    let mixed = [Layout::Rgb, Layout::Gray, Layout::Rgba].map(|layout| still(smooth(16, 16, layout)));
    let wanted = Encoding { animated: true, ..Encoding::plain(Format::Avif) };
    let file = encoded(wanted, &Metadata::default(), &mixed).expect("encoded");
    assert_eq!(
        decoded(&file, &Wish::default()).expect("decoded").len(),
        3,
        "frames of several layouts go into one sequence"
    );
    assert!(matches!(
        encoded(Encoding::plain(Format::Avif), &Metadata::default(), &mixed),
        Err(ImageError::Unsupported(_))
    ));
}

#[test]
fn what_is_too_large_is_refused_by_its_header() {
    let file = avif(smooth(64, 48, Layout::Rgb));
    let sides = file.windows(4).position(|name| name == b"ispe").expect("a box with the sides") + 8;
    let mut bomb = file.clone();
    bomb[sides..sides + 8].copy_from_slice(&[0, 0, 0x70, 0, 0, 0, 0x70, 0]);
    let refused = open(&bomb, &Wish::default(), &Limits::default()).err();
    assert!(matches!(refused, Some(ImageError::TooLarge(_))), "{refused:?}");

    let few = Limits { max_pixels: 64 * 48 - 1, ..Limits::default() };
    assert!(matches!(open(&file, &Wish::default(), &few).err(), Some(ImageError::TooLarge(_))));
    let (_, file) = sequence(Layout::Rgb, 0);
    let few = Limits { max_frames: 3, ..Limits::default() };
    assert!(matches!(open(&file, &Wish::default(), &few).err(), Some(ImageError::TooLarge(_))));
    let few = Limits { max_pixels: 40 * 30 * 4 - 1, ..Limits::default() };
    assert!(matches!(open(&file, &Wish::default(), &few).err(), Some(ImageError::TooLarge(_))));
}

#[test]
fn half_a_file_is_no_picture() {
    for file in [avif(smooth(61, 47, Layout::Rgba)), sequence(Layout::Rgb, 0).1] {
        for end in (16..file.len() - 1).step_by(11) {
            assert!(decoded(&file[..end], &Wish::default()).is_err(), "{end} of {}", file.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn broken_bytes_never_panic(
        animated in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = if animated { sequence(Layout::Rgba, 0).1 } else { avif(smooth(33, 21, Layout::Rgba)) };
        damage(&mut file, &changes);
        read_out(&file, &Wish::default());
    }
}
