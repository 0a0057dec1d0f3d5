use proptest::prelude::*;

use super::*;

fn srgb_to_linear(level: f64) -> f64 {
    if level <= 0.040_45 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
}

fn linear_to_srgb(light: f64) -> u8 {
    let level = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (level.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// Display P3 to sRGB as CSS Color 4 gives it: the same curve, another triangle in linear light.
fn display_p3_to_srgb(pixel: [u8; 3]) -> [u8; 3] {
    let matrix =
        [[1.224_940_2, -0.224_940_2, 0.0], [-0.042_056_9, 1.042_056_9, 0.0], [-0.019_637_6, -0.078_636_1, 1.098_273_5]];
    let linear = pixel.map(|level| srgb_to_linear(f64::from(level) / 255.0));
    matrix.map(|row: [f64; 3]| linear_to_srgb(row.iter().zip(linear).map(|(factor, light)| factor * light).sum()))
}

fn encoded(profile: ColorProfile) -> Vec<u8> {
    profile.encode().expect("a profile of the library")
}

fn close(left: &[u8], right: &[u8], tolerance: u8) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.abs_diff(*right) <= tolerance)
}

#[test]
fn display_p3_becomes_srgb_and_opacity_stays() {
    let icc = encoded(ColorProfile::new_display_p3());
    let colours = [
        [255, 0, 0],
        [0, 255, 0],
        [200, 100, 50],
        [128, 128, 128],
        [10, 200, 250],
        [255, 255, 255],
        [0, 0, 0],
        [77, 60, 90],
    ];
    let expected: Vec<u8> = colours.into_iter().flat_map(display_p3_to_srgb).collect();
    let rgb = Bitmap::new(8, 1, Layout::Rgb, colours.concat()).expect("eight pixels");
    let converted = to_srgb(rgb.clone(), &icc);
    assert!(close(&converted.pixels, &expected, 1), "{:?} is not {expected:?}", converted.pixels);
    let translucent =
        colours.iter().zip(0u8..).flat_map(|(pixel, opacity)| [pixel[0], pixel[1], pixel[2], opacity]).collect();
    let rgba = to_srgb(Bitmap::new(8, 1, Layout::Rgba, translucent).expect("eight pixels"), &icc);
    assert!(close(
        &rgba.pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect::<Vec<u8>>(),
        &expected,
        1
    ));
    assert!(rgba.pixels.chunks_exact(4).map(|pixel| pixel[3]).eq(0..8));
    assert_ne!(converted, rgb);
}

#[test]
fn gray_profiles_bend_levels() {
    let icc = encoded(ColorProfile::new_gray_with_gamma(1.0));
    let expected = [0, 10, 100, 200, 255].map(|level| linear_to_srgb(f64::from(level) / 255.0));
    let gray = to_srgb(Bitmap::new(5, 1, Layout::Gray, vec![0, 10, 100, 200, 255]).expect("five pixels"), &icc);
    assert!(close(&gray.pixels, &expected, 1), "{:?} is not {expected:?}", gray.pixels);
    let rgba = to_srgb(Bitmap::new(1, 1, Layout::Rgba, vec![100, 100, 100, 7]).expect("a pixel"), &icc);
    assert!(close(&rgba.pixels, &[expected[2], expected[2], expected[2], 7], 1));
    let by_rgb = to_srgb(
        Bitmap::new(1, 1, Layout::Gray, vec![100]).expect("a pixel"),
        &encoded(ColorProfile::new_pro_photo_rgb()),
    );
    assert!(by_rgb.pixels[0] > 110, "a gamma of 1.8 is lighter: {}", by_rgb.pixels[0]);
}

#[test]
fn srgb_is_told_from_others() {
    assert!(is_srgb(&encoded(ColorProfile::new_srgb())));
    assert!(is_srgb(include_bytes!("../../tests/fixtures/srgb-old.icc")));
    for other in [ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb(), ColorProfile::new_gray_with_gamma(1.0)]
    {
        assert!(!is_srgb(&encoded(other)));
    }
    assert!(!is_srgb(b"no profile"));
}

#[test]
fn cmyk_by_formula_and_back() {
    let inks = [[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 128], [0, 0, 0, 255], [64, 128, 192, 0]];
    let expected = [255, 255, 255, 0, 255, 255, 127, 0, 127, 0, 0, 0, 191, 127, 63];
    assert_eq!(cmyk_to_rgb(&inks.concat(), None, false), expected);
    let inverted: Vec<u8> = inks.concat().iter().map(|ink| 255 - ink).collect();
    assert_eq!(cmyk_to_rgb(&inverted, None, true), expected);
    assert_eq!(
        cmyk_to_rgb(&inks.concat(), Some(&encoded(ColorProfile::new_display_p3())), false),
        expected,
        "a profile for RGB does not count"
    );
    assert_eq!(
        rgb_to_cmyk(&[255, 255, 255, 0, 0, 0, 255, 0, 0, 50, 100, 0]),
        [0, 0, 0, 0, 0, 0, 0, 255, 0, 255, 255, 0, 128, 0, 255, 155]
    );
}

#[test]
fn cmyk_by_profile() {
    // The profile of the fixture is a table of 2^4 corners: paper is a warm white, black ink a dark brown.
    let icc = include_bytes!("../../tests/fixtures/cmyk-warm.icc");
    let converted = cmyk_to_rgb(&[0, 0, 0, 0, 0, 0, 0, 255], Some(icc), false);
    assert!(close(&converted, &[255, 242, 220, 60, 45, 37], 2), "{converted:?}");
}

#[test]
fn broken_and_oversized_profiles_change_nothing() {
    let bitmap = Bitmap::filled(2, 2, [200, 100, 50, 128]);
    let mut huge = encoded(ColorProfile::new_display_p3());
    assert_ne!(to_srgb(bitmap.clone(), &huge), bitmap);
    huge.resize(MAX_PROFILE + 1, 0);
    for icc in [&huge[..], b"", &[0; 128], &huge[..200]] {
        assert_eq!(to_srgb(bitmap.clone(), icc), bitmap);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mutated_profiles_never_panic(at in 0usize..700, value: u8, cut in 0usize..700, cmyk: bool) {
        let mut icc = if cmyk { include_bytes!("../../tests/fixtures/cmyk-warm.icc").to_vec() } else { encoded(ColorProfile::new_display_p3()) };
        let length = icc.len();
        icc[at % length] = value;
        icc.truncate(length - cut % 50);
        let bitmap = Bitmap::filled(2, 2, [200, 100, 50, 128]);
        prop_assert_eq!(to_srgb(bitmap.clone(), &icc).pixels.len(), bitmap.pixels.len());
        prop_assert_eq!(cmyk_to_rgb(&[1, 2, 3, 4], Some(&icc), true).len(), 3);
        is_srgb(&icc);
    }

    #[test]
    fn cmyk_round_trip(pixel: [u8; 3]) {
        prop_assert!(close(&cmyk_to_rgb(&rgb_to_cmyk(&pixel), None, false), &pixel, 1));
    }
}
