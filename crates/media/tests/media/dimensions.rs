//! Image sizes by header.

use crate::samples::{bmp, camera_tiff, gif, heic, jpeg, png, tiff_image, webp};
use proptest::prelude::*;
use stowage_media::dimensions;

#[test]
fn sizes_of_images() {
    for (file, size) in [
        (png(640, 480, None), (640, 480)),
        (jpeg(640, 480, None), (640, 480)),
        (gif(640, 480), (640, 480)),
        (bmp(640, 480), (640, 480)),
        (bmp(640, -480), (640, 480)),
        (webp(640, 480, None), (640, 480)),
        (tiff_image(true, 640, 480), (640, 480)),
        (tiff_image(false, 640, 480), (640, 480)),
        (heic(640, 480, b"II"), (640, 480)),
    ] {
        assert_eq!(dimensions(&file), Some(size));
    }
}

/// The orientation in EXIF does not turn the answer.
#[test]
fn orientation_is_not_applied() {
    let turned = camera_tiff(true);
    assert_eq!(dimensions(&jpeg(640, 480, Some(&turned))), Some((640, 480)));
    assert_eq!(dimensions(&png(640, 480, Some(&turned))), Some((640, 480)));
}

/// Threat E1: the numbers of a bomb are reported as they are, without any work.
#[test]
fn bombs_show_their_size() {
    assert_eq!(dimensions(&jpeg(65535, 65535, None)), Some((65535, 65535)));
    assert_eq!(dimensions(&gif(65535, 65535)), Some((65535, 65535)));
    assert_eq!(dimensions(&webp(1 << 24, 1, None)), Some((1 << 24, 1)));
}

#[test]
fn what_is_no_image_has_no_size() {
    for bytes in [
        b"".as_slice(),
        b"hello",
        b"P1 12 34 of the tasks are done",
        b"BM is the beginning of many a sentence",
        b"%PDF-1.7",
        b"\0\0\x02\0\0\0\0\0\0\0\0\0\x10\0\x10\0\x18\0 looks like TGA",
        b"\0\0\0\x18ftypisom\0\0\0\0isomiso2",
    ] {
        assert_eq!(dimensions(bytes), None, "{:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(dimensions(&png(0, 480, None)), None);
    assert_eq!(dimensions(&png(u32::MAX, 480, None)), None);
    assert_eq!(dimensions(&bmp(i32::MIN, 480)), None);
}

#[test]
fn a_slice_that_is_too_short_tells_nothing() {
    let with_exif = jpeg(640, 480, Some(&camera_tiff(true)));
    assert_eq!(dimensions(&with_exif[..100]), None);
    assert_eq!(dimensions(&png(640, 480, None)[..20]), None);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = dimensions(&bytes);
    }

    #[test]
    fn broken_files_are_survived(
        sample in 0_usize..8,
        at in any::<proptest::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..16),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut file = vec![
            png(4, 4, None),
            jpeg(4, 4, None),
            gif(4, 4),
            bmp(4, 4),
            webp(4, 4, None),
            tiff_image(true, 4, 4),
            heic(4, 4, b"II"),
            b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14jxlp\x80\0\0\0\xff\n\x12\x34\x56\x78".to_vec(),
        ].swap_remove(sample);
        let start = at.index(file.len());
        let end = (start + bytes.len()).min(file.len());
        file.splice(start..end, bytes);
        let _ = dimensions(&file);
        let _ = dimensions(&file[..cut.index(file.len())]);
    }
}
