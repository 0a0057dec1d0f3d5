use proptest::prelude::*;

use super::*;
use crate::{
    Orientation, Region,
    decode::Wish,
    encode::{
        Encoding,
        jpeg::compress::{self, Effort, Parameters},
    },
    jpeg::tests::{PLAIN, decoded, difference, encoded, oriented, picture, pixels, profile},
};

const SAMPLINGS: [(u8, u8); 6] = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 2)];

/// A file with the sampling; progressive or in one scan.
fn sampled(bitmap: &Bitmap, chroma: (u8, u8), progressive: bool) -> Vec<u8> {
    let effort = if progressive { Effort::Progressive } else { Effort::Plain };
    let parameters = Parameters { quality: 92, chroma, effort, density: None };
    let sides = (bitmap.width, bitmap.height);
    compress::file(&bitmap.pixels, sides, bitmap.layout.channels(), &parameters, &Metadata::default()).expect("sound")
}

/// The mean of each `scale` × `scale` pixels.
fn averaged(bitmap: &Bitmap, scale: u32) -> Bitmap {
    let channels = bitmap.layout.channels();
    let (width, height) = (bitmap.width / scale, bitmap.height / scale);
    let sample = |x: u32, y: u32, channel: usize| {
        let sum: u32 = (0..scale * scale)
            .map(|index| {
                let (x, y) = (x * scale + index % scale, y * scale + index / scale);
                u32::from(bitmap.pixels[(y * bitmap.width + x) as usize * channels + channel])
            })
            .sum();
        (sum / (scale * scale)) as u8
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = places.flat_map(|(x, y)| (0..channels).map(move |channel| sample(x, y, channel))).collect();
    Bitmap { width, height, layout: bitmap.layout, pixels }
}

/// A part of a picture, in its pixels.
fn part(bitmap: &Bitmap, left: u32, top: u32, width: u32, height: u32) -> Vec<u8> {
    let channels = bitmap.layout.channels();
    let rows = bitmap.rows().skip(top as usize).take(height as usize);
    rows.flat_map(|row| &row[left as usize * channels..(left + width) as usize * channels]).copied().collect()
}

#[test]
fn all_samplings_and_layouts_come_back_nearly_as_they_were() {
    for progressive in [false, true] {
        for chroma in SAMPLINGS {
            let original = picture(131, 77, Layout::Rgb);
            let (header, _, shows, bitmap) =
                decoded(&sampled(&original, chroma, progressive), &Wish::default()).expect("sound");
            assert_eq!((header.width, header.height, header.progressive), (131, 77, progressive));
            assert_eq!(shows, Region::whole(131, 77));
            let off = difference(&bitmap.pixels, &original.pixels);
            assert!(off < 6.0, "{chroma:?}: {off}");
        }
        let original = picture(131, 77, Layout::Gray);
        let bitmap = pixels(&sampled(&original, (1, 1), progressive)).expect("sound");
        assert_eq!(bitmap.layout, Layout::Gray);
        assert!(difference(&bitmap.pixels, &original.pixels) < 2.0);
    }
}

#[test]
fn cmyk_becomes_srgb() {
    let original = picture(60, 40, Layout::Rgb);
    let metadata = Metadata { icc: Some(profile(b"CMYK", 500)), ..Metadata::default() };
    let file = encoded(&original, &Encoding { cmyk: true, quality: Some(95), ..PLAIN }, &metadata);
    let (_, metadata, _, bitmap) = decoded(&file, &Wish::default()).expect("sound");
    assert_eq!((bitmap.layout, metadata.icc), (Layout::Rgb, None));
    let off = difference(&bitmap.pixels, &original.pixels);
    assert!(off < 5.0, "{off}");
}

#[test]
fn metadata_and_quality_are_read() {
    let small = picture(16, 16, Layout::Rgb);
    for value in 1..=8 {
        let metadata = Metadata { exif: Some(oriented(value)), ..Metadata::default() };
        let (_, metadata, ..) = decoded(&encoded(&small, &PLAIN, &metadata), &Wish::default()).expect("sound");
        assert_eq!(metadata.orientation, Orientation::from_exif(value.into()));
    }
    let metadata = Metadata {
        icc: Some(profile(b"RGB ", 200_000)),
        exif: Some(oriented(1)),
        xmp: Some(b"<x/>".to_vec()),
        ..Metadata::default()
    };
    let (_, read, ..) = decoded(&encoded(&small, &PLAIN, &metadata), &Wish::default()).expect("sound");
    assert_eq!(read, metadata, "also a profile in several segments");
    let gray = encoded(&picture(16, 16, Layout::Gray), &PLAIN, &metadata);
    assert_eq!(decoded(&gray, &Wish::default()).expect("sound").1.icc, None, "a profile for other samples");
    for quality in [5, 25, 49, 50, 51, 75, 82, 90, 97, 100] {
        let file = encoded(&small, &Encoding { quality: Some(quality), ..PLAIN }, &Metadata::default());
        assert_eq!(header(&file, &Limits::default()).expect("sound").quality, Some(quality));
    }
}

#[test]
fn scaled_pictures_are_as_small_as_the_wish_allows() {
    let file = sampled(&picture(800, 400, Layout::Rgb), (2, 2), false);
    for (scaled_to, spare, width, height) in [
        ((50, 25), 2.0, 100, 50),
        ((51, 25), 2.0, 200, 100),
        ((50, 26), 2.0, 200, 100),
        ((100, 50), 2.0, 200, 100),
        ((101, 50), 2.0, 400, 200),
        ((400, 200), 1.0, 400, 200),
        ((400, 200), 2.0, 800, 400),
        ((0, 0), 4.0, 100, 50),
    ] {
        let wish = Wish { scaled_to: Some(scaled_to), spare, ..Wish::default() };
        let (header, _, shows, bitmap) = decoded(&file, &wish).expect("sound");
        assert_eq!((bitmap.width, bitmap.height), (width, height), "{scaled_to:?}");
        assert_eq!((header.width, header.height, shows), (800, 400, Region::whole(800, 400)));
    }
}

#[test]
fn scaled_pictures_are_like_averaged_ones() {
    for progressive in [false, true] {
        for chroma in SAMPLINGS {
            let file = sampled(&picture(261, 165, Layout::Rgb), chroma, progressive);
            let full = pixels(&file).expect("sound");
            for scale in [2, 4, 8] {
                let wish = Wish { scaled_to: Some((261 / scale, 165 / scale)), spare: 1.0, ..Wish::default() };
                let (_, _, shows, bitmap) = decoded(&file, &wish).expect("sound");
                assert_eq!((bitmap.width, bitmap.height), (261_u32.div_ceil(scale), 165_u32.div_ceil(scale)));
                assert_eq!(
                    shows,
                    Region::whole(bitmap.width * scale, bitmap.height * scale),
                    "scaled pixels end beyond the picture"
                );
                let expected = averaged(&full, scale);
                let off = difference(&part(&bitmap, 0, 0, expected.width, expected.height), &expected.pixels);
                // Colour of a quarter of the columns, and at an eighth of half of them, is repeated instead of interpolated.
                let repeated = chroma.0 == 4 || (scale == 8 && chroma.0 != chroma.1);
                let tolerance = if repeated { 20.0 } else { 4.0 };
                assert!(off < tolerance, "{chroma:?} 1/{scale} progressive {progressive}: {off}");
            }
        }
    }
}

#[test]
fn a_region_is_the_same_as_the_part_of_all() {
    let regions = [
        Region { x: 97.3, y: 41.9, width: 60.0, height: 50.5 },
        Region { x: 0.0, y: 0.0, width: 33.0, height: 1.0 },
        Region { x: 150.0, y: 90.0, width: 500.0, height: 500.0 },
        Region { x: -5.0, y: 70.0, width: 90.0, height: 20.0 },
        Region { x: 260.0, y: 164.0, width: 1.0, height: 1.0 },
    ];
    let mut compared = [0; 9];
    for progressive in [false, true] {
        for chroma in SAMPLINGS {
            let file = sampled(&picture(261, 165, Layout::Rgb), chroma, progressive);
            for (scale, region) in [1, 2, 4, 8].into_iter().flat_map(|scale| regions.map(|region| (scale, region))) {
                // A wish for all of the picture that leads to the same scale.
                let whole = Wish { scaled_to: Some((261 / scale, 165 / scale)), spare: 1.0, ..Wish::default() };
                let (_, _, _, full) = decoded(&file, &whole).expect("sound");
                let inside = |start: f64, length: f64, all: f64| (start + length).min(all) - start.max(0.0);
                let inside = (inside(region.x, region.width, 261.0), inside(region.y, region.height, 165.0));
                let side = |length: f64| ((length / f64::from(scale)) as u32).max(1);
                let wish = Wish { region: Some(region), scaled_to: Some((side(inside.0), side(inside.1))), ..whole };
                let (_, _, shows, bitmap) = decoded(&file, &wish).expect("sound");
                let actual = (shows.width / f64::from(bitmap.width)) as u32;
                if actual != scale {
                    continue; // Regions of a pixel or two are not scaled so far down.
                }
                let (left, top) = ((shows.x / f64::from(scale)) as u32, (shows.y / f64::from(scale)) as u32);
                let reaches = |start: f64, length: f64, first: f64, shown: f64| {
                    first <= start.max(0.0) && first + shown >= start.max(0.0) + length
                };
                assert!(
                    reaches(region.x, inside.0, shows.x, shows.width)
                        && reaches(region.y, inside.1, shows.y, shows.height)
                );
                let case = format!("{chroma:?} 1/{scale} progressive {progressive} {region:?}");
                // Pixels next to a cut may differ.
                let first = u32::from(left > 0);
                let last = u32::from(left + bitmap.width < full.width);
                let width = bitmap.width - first - last;
                let expected = part(&full, left + first, top, width, bitmap.height);
                assert!(part(&bitmap, first, 0, width, bitmap.height) == expected, "{case}");
                compared[scale as usize] += 1;
            }
        }
    }
    assert!([1, 2, 4, 8].into_iter().all(|scale| compared[scale] >= 36), "{compared:?}");
}

#[test]
fn a_region_decodes_less() {
    let file = sampled(&picture(800, 400, Layout::Rgb), (2, 2), false);
    let wish = Wish { region: Some(Region { x: 300.0, y: 100.0, width: 100.0, height: 200.0 }), ..Wish::default() };
    let (_, _, shows, bitmap) = decoded(&file, &wish).expect("sound");
    assert_eq!(shows, Region { x: 288.0, y: 98.0, width: 114.0, height: 204.0 });
    assert_eq!((bitmap.width, bitmap.height), (114, 204));
}

#[test]
fn scans_that_cannot_be_seen_are_left_out() {
    for chroma in SAMPLINGS {
        let file = sampled(&picture(261, 165, Layout::Rgb), chroma, true);
        let head = Head::read(&file).expect("sound");
        for (scale, tolerance) in [(8, 0.0), (4, 1.5)] {
            let wish = Wish { scaled_to: Some((261 / scale, 165 / scale)), spare: 1.0, ..Wish::default() };
            let geometry = Geometry::for_wish(&head, &wish);
            assert_eq!(geometry.scale, scale);
            let pieces = scans::needed(&file, &head, scale).expect("sound");
            let length: usize = pieces.iter().map(|piece| piece.len()).sum();
            assert!(length < file.len() * 3 / 4, "{length} of {}", file.len());
            let some = pixels::decode(pieces, None, &head, &geometry).expect("sound");
            let all = pixels::decode(vec![&file], None, &head, &geometry).expect("sound");
            let off = difference(&some, &all);
            assert!(off <= tolerance, "{chroma:?} 1/{scale}: {off}");
        }
        assert_eq!(scans::needed(&file, &head, 2), Ok(vec![&file[..]]), "at half the size all can be seen");
    }
}

#[test]
fn what_breaks_off_is_broken() {
    for progressive in [false, true] {
        let file = sampled(&picture(120, 90, Layout::Rgb), (2, 2), progressive);
        for length in (0..file.len() - 3).step_by(13) {
            for scaled_to in [None, Some((15, 11)), Some((30, 22))] {
                let wish = Wish { scaled_to, spare: 1.0, ..Wish::default() };
                let refused = decoded(&file[..length], &wish).expect_err("not all is there");
                let expected =
                    matches!(refused, ImageError::Broken(_)) || (length < 2 && refused == ImageError::UnsupportedInput);
                assert!(expected, "cut at {length}: {refused:?}");
            }
        }
    }
}

#[test]
fn harmless_faults_are_forgiven() {
    let file = sampled(&picture(120, 90, Layout::Rgb), (2, 2), false);
    let expected = pixels(&file);
    let tables = file.windows(2).position(|window| window == b"\xff\xdb").expect("a table");
    let stray = [&file[..tables], b"\0\0\0", &file[tables..]].concat();
    assert_eq!(pixels(&stray), expected, "bytes before a marker");
    assert_eq!(pixels(&[&file[..], b"\0trailing \xff\xd8\xff"].concat()), expected, "bytes behind the picture");
    assert_eq!(pixels(&file[..file.len() - 2]), expected, "all but the end marker is there");
}

#[test]
fn bombs_and_other_kinds_are_refused_from_the_header() {
    let file = sampled(&picture(16, 16, Layout::Rgb), (2, 2), true);
    let frame = file.windows(2).position(|window| window == b"\xff\xc2").expect("a frame");
    let mut large = file.clone();
    large[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    assert!(matches!(open(&large, &Wish::default(), &Limits::default()).err(), Some(ImageError::TooLarge(_))));
    assert!(matches!(header(&large, &Limits::default()), Err(ImageError::TooLarge(_))));
    assert!(matches!(crate::jpeg::repack(&large, true), Err(ImageError::TooLarge(_))));
    // What the limits let through but the data contradicts.
    large[frame + 5..frame + 9].copy_from_slice(&[0x20, 0, 0x20, 0]);
    assert!(matches!(pixels(&large), Err(ImageError::Broken(_))));
    for (marker, precision) in [(0xc9, 8), (0xca, 8), (0xc3, 8), (0xc1, 12)] {
        let mut other = file.clone();
        other[frame + 1] = marker;
        other[frame + 4] = precision;
        assert_eq!(header(&other, &Limits::default()), Err(ImageError::UnsupportedInput), "{marker:x}");
    }
    let mut empty = file.clone();
    empty[frame + 5..frame + 7].fill(0);
    assert!(matches!(header(&empty, &Limits::default()), Err(ImageError::Broken(_))));
    assert_eq!(header(b"\x89PNG", &Limits::default()), Err(ImageError::UnsupportedInput));
}

/// From the marker of the first scan to behind its compressed data.
fn first_scan(file: &[u8]) -> std::ops::Range<usize> {
    let starts = crate::jpeg::segments(file).map(|segment| segment.expect("sound"));
    let mut starts =
        starts.skip_while(|segment| segment.marker != crate::jpeg::marker::SOS).map(|segment| segment.place.start);
    starts.next().expect("a scan")..starts.next().expect("what follows it")
}

#[test]
fn a_hundred_scans_are_enough() {
    let file = sampled(&picture(64, 64, Layout::Gray), (1, 1), true);
    let first = first_scan(&file);
    let repeated = [&file[..first.start], &file[first.clone()].repeat(200), &file[first.end..]].concat();
    assert_eq!(pixels(&repeated), Err(ImageError::Broken("too many scans".to_owned())));
    let missing = [&file[..first.start], b"\xff\xd9"].concat();
    assert!(matches!(pixels(&missing), Err(ImageError::Broken(_))), "and one is needed");
}

#[test]
fn components_without_a_scan_are_missing() {
    // The first scan of averages is one of all components; as one of a single component the others have none.
    let file = sampled(&picture(64, 64, Layout::Rgb), (1, 1), true);
    let gray = sampled(&picture(64, 64, Layout::Gray), (1, 1), true);
    let gray_tables = gray.windows(2).position(|window| window == b"\xff\xc4").expect("a table");
    let only_one = [&file[..first_scan(&file).start], &gray[gray_tables..first_scan(&gray).end], b"\xff\xd9"].concat();
    assert_eq!(pixels(&only_one), Err(ImageError::Broken("scans are missing".to_owned())));
}

/// A picture that compresses badly, so that long codes occur.
fn noise(width: u32, height: u32, layout: Layout) -> Bitmap {
    let samples =
        (0..width * height * layout.channels() as u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[1]);
    Bitmap { width, height, layout, pixels: samples.collect() }
}

/// What comes of a file by our entropy decoding and by the library's.
fn by_both(file: &[u8], geometry: &Geometry, head: &Head<'_>) -> [Result<Vec<u8>, ImageError>; 2] {
    let scan = Scan::of(file, head);
    assert!(scan.is_some(), "all of the picture is in one scan");
    [scan, None].map(|scan| pixels::decode(vec![file], scan, head, geometry))
}

#[test]
fn our_entropy_decoding_gives_what_the_library_gives() {
    let mut files = vec![include_bytes!("../../../tests/fixtures/restarts.jpg").to_vec()];
    let cmyk = Encoding { cmyk: true, ..PLAIN };
    for quality in [1, 60, 100] {
        for original in [picture(131, 77, Layout::Rgb), noise(131, 77, Layout::Rgb), noise(40, 9, Layout::Gray)] {
            for chroma in SAMPLINGS {
                let parameters = Parameters { quality, chroma, effort: Effort::Plain, density: None };
                let (sides, channels) = ((original.width, original.height), original.layout.channels());
                let file = compress::file(&original.pixels, sides, channels, &parameters, &Metadata::default());
                files.push(file.expect("sound"));
            }
            if original.layout == Layout::Rgb {
                files.push(encoded(&original, &Encoding { quality: Some(quality), ..cmyk }, &Metadata::default()));
            }
        }
    }
    for file in files {
        let head = Head::read(&file).expect("sound");
        let part = Region { x: 9.0, y: 17.0, width: 20.0, height: 11.0 };
        for (scale, region) in [(1, None), (2, None), (4, None), (8, None), (1, Some(part)), (2, Some(part))] {
            let scaled_to = Some((head.width / scale, head.height / scale));
            let geometry = Geometry::for_wish(&head, &Wish { region, scaled_to, spare: 1.0, ..Wish::default() });
            let [ours, library] = by_both(&file, &geometry, &head);
            assert!(ours.is_ok() && ours == library, "1/{scale} {region:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_data_gives_what_the_library_gives_or_an_error(
        restarts in any::<bool>(), quality in 20..100_u8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut file = if restarts {
            include_bytes!("../../../tests/fixtures/restarts.jpg").to_vec()
        } else {
            encoded(&noise(60, 40, Layout::Rgb), &Encoding { quality: Some(quality), ..PLAIN }, &Metadata::default())
        };
        let data = file.windows(2).position(|window| window == b"\xff\xda").expect("a scan") + 14;
        for (index, value) in changes {
            let place = data + index.index(file.len() - data);
            file[place] = value;
        }
        let head = Head::read(&file).expect("a sound header");
        let geometry = Geometry::for_wish(&head, &Wish::default());
        let [ours, library] = by_both(&file, &geometry, &head);
        // The library takes some codes that do not exist for ends of blocks.
        prop_assert!(ours == library || ours == Err(ImageError::Broken("damaged data".to_owned())));
    }
}
