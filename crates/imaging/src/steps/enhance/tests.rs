use super::*;
use crate::{
    Layout,
    faces::samples::{FACE, cat, portrait},
    steps::{
        smooth::tests::{noisy_edge, spread},
        tests::{apply, gray, pixel, rgba},
    },
};

fn mapped(bitmap: &Bitmap, change: impl Fn([u8; 3]) -> [f64; 3]) -> Bitmap {
    let pixels = bitmap.pixels.as_chunks::<3>().0.iter();
    let pixels = pixels.flat_map(|pixel| change(*pixel).map(|level| level.round() as u8)).collect();
    Bitmap { pixels, ..*bitmap }
}

fn mean(bitmap: &Bitmap, value: impl Fn([f64; 3]) -> f64) -> f64 {
    let pixels = bitmap.pixels.as_chunks::<3>().0;
    pixels.iter().map(|pixel| value(pixel.map(f64::from))).sum::<f64>() / pixels.len() as f64
}

fn brightness([red, green, blue]: [f64; 3]) -> f64 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn chroma(pixel: [f64; 3]) -> f64 {
    pixel.into_iter().fold(0.0, f64::max) - pixel.into_iter().fold(255.0, f64::min)
}

/// Mean difference of neighbours in a row.
fn contrast(bitmap: &Bitmap) -> f64 {
    let pairs = bitmap.pixels.windows(4).map(|window| f64::from(window[0].abs_diff(window[3])));
    pairs.sum::<f64>() / bitmap.pixels.len() as f64
}

/// From black to white in 256 columns.
fn ramp() -> Bitmap {
    gray(256, &(0..=255).collect::<Vec<u8>>().repeat(64))
}

#[test]
fn fix_dark_lifts_shadows_and_keeps_highlights() {
    let lifted = apply("enhance=preset:fix_dark", ramp());
    let level = |column: u32| pixel(&lifted, column, 30)[0];
    assert!(level(40) > 70 && level(60) > 90, "{} {}", level(40), level(60));
    assert!(level(128) < 160 && (210..=255).all(|column| level(column).abs_diff(column as u8) < 10));
    assert!((0..255).all(|column| level(column + 1) >= level(column).saturating_sub(2)), "brighter stays brighter");
    let dark = mapped(&cat(), |pixel| pixel.map(|level| f64::from(level) * 0.4));
    let result = apply("enhance=preset:fix_dark", dark.clone());
    assert!(mean(&result, brightness) > 1.5 * mean(&dark, brightness));
}

#[test]
fn fix_tint_and_bare_remove_a_cast() {
    let cast = |bitmap: &Bitmap| mean(bitmap, |[red, _, blue]| red - blue);
    let white = mapped(&cat(), |pixel| [f64::from(crate::steps::tone::luma(pixel)); 3]);
    let warm = mapped(&white, |[red, green, blue]| [f64::from(red), f64::from(green) * 0.9, f64::from(blue) * 0.7]);
    let fixed = apply("enhance=preset:fix_tint", warm.clone());
    assert!(cast(&warm) > 25.0 && cast(&fixed).abs() < 2.0, "{} {}", cast(&warm), cast(&fixed));
    assert!((mean(&fixed, brightness) - mean(&warm, brightness)).abs() < 6.0);
    let bare = apply("enhance", warm.clone());
    // All levels are used too, which sets the channels off as well.
    let share = |bitmap: &Bitmap| cast(bitmap) / contrast(bitmap);
    assert!(share(&bare) < 0.8 * share(&warm), "{} {}", share(&bare), share(&warm));
    assert_eq!(apply("enhance=preset:fix_tint", white.clone()), white);
}

#[test]
fn bare_uses_all_levels() {
    let flat = mapped(&cat(), |pixel| pixel.map(|level| 60.0 + f64::from(level) * 0.5));
    let result = apply("enhance", flat.clone());
    assert!(contrast(&result) > 1.8 * contrast(&flat), "{} {}", contrast(&result), contrast(&flat));
    assert_eq!(result, apply("enhance=preset:auto", flat));
}

#[test]
fn fix_noise_removes_grain_and_leaves_edges_and_clean_pictures() {
    let noisy = noisy_edge(Layout::Rgb, 80, 60, 12);
    let clean = apply("enhance=preset:fix_noise", noisy.clone());
    assert!(spread(&clean, 0..30).1 < spread(&noisy, 0..30).1 / 8.0);
    assert!(spread(&clean, 40..41).0 - spread(&clean, 39..40).0 > 105.0);
    let quiet = noisy_edge(Layout::Rgb, 80, 60, 1);
    assert_eq!(apply("enhance=preset:fix_noise", quiet.clone()), quiet);
}

#[test]
fn vivid_outdoor_and_fireworks_set_colours_off() {
    let photo = cat();
    let [vivid, outdoor, fireworks] =
        ["vivid", "outdoor", "fireworks"].map(|preset| apply(&format!("enhance=preset:{preset}"), photo.clone()));
    let before = mean(&photo, chroma);
    for (name, result) in [("vivid", &vivid), ("outdoor", &outdoor), ("fireworks", &fireworks)] {
        assert!(mean(result, chroma) > 1.1 * before, "{name} {} {before}", mean(result, chroma));
    }
    assert!(mean(&vivid, brightness) > mean(&photo, brightness) + 3.0);
    assert!(contrast(&outdoor) > 1.2 * contrast(&photo) && contrast(&vivid) > contrast(&photo));

    let night = apply("enhance=preset:fireworks", ramp());
    assert!(pixel(&night, 50, 9)[0] < 42 && pixel(&night, 200, 9)[0] > 200, "dark becomes darker, bright brighter");
}

#[test]
fn beautify_evens_the_skin_of_faces_and_nothing_else() {
    assert_eq!(apply("enhance=preset:beautify_plus", cat()), cat());
    let portrait = portrait();
    let [little, much] =
        ["beautify", "beautify_plus"].map(|preset| apply(&format!("enhance=preset:{preset}"), portrait.clone()));
    let cheek = Region { x: 44.0, y: 46.0, width: 16.0, height: 8.0 };
    let roughness = |bitmap: &Bitmap| contrast(&scale(bitmap, cheek, 16, 8, false).expect("inside"));
    let [before, after, strong] = [&portrait, &little, &much].map(roughness);
    assert!(after < before && strong < after, "{before} {after} {strong}");
    let [left, top, right, bottom] = FACE;
    let outside = |x: f64, y: f64| !(left - 8.0..right + 8.0).contains(&x) || !(top - 8.0..bottom + 8.0).contains(&y);
    for (column, row) in (0..96).flat_map(|row| (0..128).map(move |column| (column, row))) {
        if outside(f64::from(column), f64::from(row)) {
            assert_eq!(pixel(&much, column, row), pixel(&portrait, column, row), "{column} {row}");
        }
    }
}

#[test]
fn what_cannot_be_seen_does_not_count() {
    let half = |hidden: [u8; 4]| {
        let pixels: Vec<[u8; 4]> = (0..40 * 40)
            .map(|place| if place % 40 < 20 { [80 + place as u8 % 20, 90, 100, 255] } else { hidden })
            .collect();
        rgba(40, &pixels)
    };
    for preset in ["auto", "fix_tint"] {
        let written = format!("enhance=preset:{preset}");
        let [one, other] = [[255, 0, 0, 0], [0, 0, 255, 0]].map(|hidden| apply(&written, half(hidden)));
        assert!((0..20).all(|column| pixel(&one, column, 3) == pixel(&other, column, 3)), "{preset}");
    }
}

#[test]
fn the_first_frame_decides_on_levels() {
    let task = crate::steps::tests::task("enhance");
    let mut step = step(&task).expect("the task");
    step.apply(mapped(&cat(), |pixel| pixel.map(|level| 100.0 + f64::from(level) * 0.6))).expect("always works");
    assert!(step.apply(cat()) != Ok(apply("enhance", cat())));
}
