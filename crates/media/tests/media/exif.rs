//! EXIF data of image files.

use crate::samples::{Tiff, camera_tiff, heic, jpeg, png, webp};
use proptest::prelude::*;
use serde_json::{Value, json};
use stowage_media::{PROBE_BYTES, exif};

fn camera_json() -> Value {
    json!({
        "image": { "Make": "Canon", "Orientation": 6, "XResolution": 72 },
        "exif": {
            "ExposureTime": 0.125,
            "ExifVersion": "2.32",
            "DateTimeOriginal": "2026:11:23 13:31:43",
            "SubjectDistance": "4294967295/0",
            "UserComment": "hello",
        },
        "gps": { "GPSLatitudeRef": "N", "GPSLatitude": [48, 51, 29.5] },
        "interop": { "InteroperabilityIndex": "R98" },
        "thumbnail": { "JPEGInterchangeFormat": 1000, "JPEGInterchangeFormatLength": 500 },
    })
}

#[test]
fn every_container_gives_the_same_tags() {
    for big_endian in [false, true] {
        let tiff = camera_tiff(big_endian);
        let prefixed = [b"Exif\0\0", tiff.as_slice()].concat();
        for file in [
            jpeg(4, 4, Some(&tiff)),
            png(4, 4, Some(&tiff)),
            webp(4, 4, Some(&tiff)),
            webp(4, 4, Some(&prefixed)),
            heic(4, 4, &tiff),
            tiff,
        ] {
            assert_eq!(exif(&file), camera_json());
        }
    }
}

#[test]
fn files_without_exif_give_an_empty_object() {
    for file in [
        Vec::new(),
        b"hello".to_vec(),
        jpeg(4, 4, None),
        png(4, 4, None),
        webp(4, 4, None),
        heic(4, 4, b""),
        jpeg(4, 4, Some(b"")),
        jpeg(4, 4, Some(b"II*\0")),
        b"II*\0\xff\xff\xff\xff".to_vec(),
    ] {
        assert_eq!(exif(&file), json!({}));
    }
}

#[test]
fn what_lies_beyond_the_slice_is_left_out() {
    let file = jpeg(4, 4, Some(&camera_tiff(false)));
    let first_directory_end = 104;
    assert_eq!(exif(&file[..first_directory_end]), json!({ "image": { "Orientation": 6 } }));
}

#[test]
fn numbers_of_every_type() {
    let tiff = Tiff::new(true);
    let tags = vec![
        Tiff::raw(0xc001, 1, 2, vec![1, 255]),
        Tiff::raw(0xc002, 6, 1, vec![0xff]),
        Tiff::raw(0xc003, 8, 1, (-2_i16).to_be_bytes().to_vec()),
        Tiff::raw(0xc004, 9, 1, (-3_i32).to_be_bytes().to_vec()),
        Tiff::raw(0xc005, 10, 1, [(-1_i32).to_be_bytes(), 4_i32.to_be_bytes()].concat()),
        Tiff::raw(0xc006, 11, 1, 0.5_f32.to_be_bytes().to_vec()),
        Tiff::raw(0xc007, 12, 1, f64::NAN.to_be_bytes().to_vec()),
        Tiff::raw(0xc008, 13, 1, 7_u32.to_be_bytes().to_vec()),
        Tiff::raw(0xc009, 99, 1, vec![1, 2, 3, 4]),
        Tiff::raw(0xc00a, 3, 0, Vec::new()),
        Tiff::raw(0x8298, 2, 8, b"Ann\0Bob\0".to_vec()),
        Tiff::raw(0xc00b, 2, 3, vec![b'a', 0xff, 0]),
    ];
    let found = exif(&tiff.directory(tags).build(None));
    let expected = json!({ "image": {
        "0xc001": [1, 255], "0xc002": -1, "0xc003": -2, "0xc004": -3, "0xc005": -0.25, "0xc006": 0.5, "0xc007": "NaN", "0xc008": 7,
        "Copyright": "Ann; Bob", "0xc00b": "a\u{fffd}",
    }});
    assert_eq!(found, expected);
}

#[test]
fn long_values_are_cut_or_left_out() {
    let tiff = Tiff::new(false);
    let tags = vec![
        Tiff::ascii(0x010e, &"é".repeat(5000)),
        Tiff::raw(0x8773, 7, 3000, vec![1; 3000]),
        Tiff::raw(0x02bc, 1, 100_000, vec![b'x'; 100_000]),
        Tiff::ascii(0x0110, "still here"),
    ];
    let found = exif(&tiff.directory(tags).build(None));
    let tags = found["image"].as_object().expect("a group");
    let names: Vec<_> = tags.keys().map(String::as_str).collect();
    assert_eq!(names, ["ImageDescription", "Model"]);
    let text = tags["ImageDescription"].as_str().expect("a text");
    assert!((4000..=4096).contains(&text.len()), "{} bytes", text.len());
}

/// Threat E3: every tag names the same large value.
#[test]
fn repeated_values_do_not_multiply() {
    let tiff = Tiff::new(false);
    let mut block = b"II*\0\x08\0\0\0".to_vec();
    block.extend(tiff.u16(u16::MAX));
    for number in 0..u16::MAX {
        block.extend(tiff.u16(number));
        block.extend(tiff.u16(1));
        block.extend(tiff.u32(4096));
        block.extend(tiff.u32(0));
    }
    block.resize(PROBE_BYTES, 0);
    let found = exif(&block);
    let tags = found["image"].as_object().expect("a group");
    assert_eq!(tags.len(), 64, "256 KiB of values");
}

/// Threat E3: a directory of pointers to overlapping directories, which takes a collecting reader gigabytes.
#[test]
fn overlapping_directories_are_read_once() {
    let tiff = Tiff::new(false);
    let mut block = b"II*\0\x08\0\0\0".to_vec();
    block.extend(tiff.u16(60_000));
    let pointers_end = 8 + 2 + 60_000 * 12 + 4;
    for index in 0..60_000_u32 {
        block.extend(tiff.u16(0x8769));
        block.extend(tiff.u16(4));
        block.extend(tiff.u32(1));
        block.extend(tiff.u32(pointers_end + index * 2));
    }
    block.extend([0; 4]);
    // Every 16 bit number is a count of 1024, and a tag, and a type.
    block.extend([0, 4].repeat(200_000));
    assert_eq!(exif(&block), json!({}));
}

#[test]
fn at_most_a_thousand_tags_are_shown() {
    let tiff = Tiff::new(false);
    let tags = (0..5000).map(|number| tiff.short(number, 1)).collect();
    let found = exif(&tiff.directory(tags).build(None));
    assert_eq!(found["image"].as_object().expect("a group").len(), 1000);
}

#[test]
fn loops_end() {
    let tiff = Tiff::new(false);
    let looped = tiff.directory(vec![Tiff::pointer(0x8769, 0), Tiff::pointer(0x8825, 0)]).build(Some(0));
    // The first directory is also its own child and successor, whose pointers are plain tags there.
    assert!(exif(&looped).is_object());
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for prefix in [b"".as_slice(), b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"\xff\xd8\xff\xe1\0\xffExif\0\0II*\0", b"\0\0\0\x08ftyp\0\0"] {
            prop_assert!(exif(&[prefix, &bytes].concat()).is_object());
        }
    }

    #[test]
    fn broken_files_are_survived(
        sample in 0_usize..5,
        at in any::<proptest::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..16),
        cut in any::<proptest::sample::Index>(),
    ) {
        let tiff = camera_tiff(sample % 2 == 0);
        let mut file = match sample {
            0 => jpeg(4, 4, Some(&tiff)),
            1 => png(4, 4, Some(&tiff)),
            2 => webp(4, 4, Some(&tiff)),
            3 => heic(4, 4, &tiff),
            _ => tiff,
        };
        let start = at.index(file.len().min(600));
        let end = (start + bytes.len()).min(file.len());
        file.splice(start..end, bytes);
        prop_assert!(exif(&file).is_object());
        prop_assert!(exif(&file[..cut.index(file.len())]).is_object());
    }
}
