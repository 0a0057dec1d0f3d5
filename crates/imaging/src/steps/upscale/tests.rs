use super::*;
use crate::{
    Layout,
    faces::samples::cat,
    steps::{
        smooth::tests::{noisy_edge, spread},
        tests::{apply, pixel, rgb, rgba, task},
    },
};

/// In decibels.
fn likeness(one: &Bitmap, other: &Bitmap) -> f64 {
    let pairs = one.pixels.iter().zip(&other.pixels);
    let error: f64 = pairs.map(|(one, other)| f64::from(one.abs_diff(*other)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * one.pixels.len() as f64 / error).log10()
}

fn nearest(bitmap: &Bitmap) -> Bitmap {
    let wide = |row: &[u8]| row.chunks_exact(3).flat_map(|pixel| [pixel, pixel].concat()).collect::<Vec<_>>();
    let pixels = bitmap.rows().flat_map(|row| [wide(row), wide(row)].concat()).collect();
    Bitmap::new(2 * bitmap.width, 2 * bitmap.height, bitmap.layout, pixels).expect("twice the sides")
}

#[test]
fn a_photo_comes_closer_to_what_it_was_made_of_than_by_repeated_pixels() {
    let photo = cat();
    let half = scale(&photo, Region::whole(192, 128), 96, 64, false).expect("smaller");
    let repeated = likeness(&nearest(&half), &photo);
    for (written, gain) in [("upscale", 1.5), ("upscale=s:artwork", 0.5)] {
        let large = apply(written, half.clone());
        assert_eq!((large.width, large.height, large.layout), (192, 128, Layout::Rgb));
        assert!(likeness(&large, &photo) > repeated + gain, "{written} {} {repeated}", likeness(&large, &photo));
    }
}

#[test]
fn artwork_gets_steep_edges_without_seams() {
    let drawing: Vec<[u8; 3]> =
        (0..20 * 10).map(|place| if place % 20 < 10 { [200, 40, 40] } else { [20, 60, 220] }).collect();
    let drawing = rgb(20, &drawing);
    let (art, photo) = (apply("upscale=style:artwork", drawing.clone()), apply("upscale", drawing));
    for column in (0..17).chain(23..40) {
        let expected = if column < 20 { [200_u8, 40, 40] } else { [20, 60, 220] };
        let pairs = pixel(&art, column, 9).iter().zip(expected);
        assert!(pairs.clone().all(|(level, expected)| level.abs_diff(expected) <= 2), "{column}: {pairs:?}");
    }
    assert!(art.pixels.chunks_exact(3).all(|pixel| (18..=202).contains(&pixel[0])), "no seams");
    let step = |bitmap: &Bitmap| pixel(bitmap, 19, 9)[0].abs_diff(pixel(bitmap, 20, 9)[0]);
    assert!(step(&art) > step(&photo), "{} {}", step(&art), step(&photo));
}

#[test]
fn noise_is_removed_as_much_as_asked_for_and_the_size_can_stay() {
    let noisy = noisy_edge(Layout::Rgb, 60, 40, 12);
    assert_eq!(apply("upscale=upscale:false", noisy.clone()), noisy);
    let rest = |written: &str| {
        let result = apply(written, noisy.clone());
        assert_eq!((result.width, result.height), (60, 40));
        spread(&result, 0..22).1
    };
    let rests = ["none", "low", "medium", "high"].map(|noise| rest(&format!("upscale=u:false,n:{noise}")));
    assert!(rests[1] < rests[0] / 1.5 && rests[2] < rests[1] / 1.5 && rests[3] < rests[0] / 10.0, "{rests:?}");
    let large = apply("upscale=n:high", noisy);
    assert_eq!((large.width, large.height), (120, 80));
    assert!(spread(&large, 0..44).1 < rests[0] / 10.0);
}

#[test]
fn invisible_colours_do_not_show_and_the_double_size_has_bounds() {
    let pixels: Vec<[u8; 4]> =
        (0..16 * 16).map(|place| if place % 16 < 8 { [90, 90, 90, 255] } else { [0, 255, 0, 0] }).collect();
    for written in ["upscale", "upscale=s:artwork", "upscale=n:high", "upscale=u:false,n:low"] {
        for [red, green, _, opacity] in apply(written, rgba(16, &pixels)).pixels.as_chunks::<4>().0 {
            assert!(*opacity < 10 || green.abs_diff(*red) < 3, "{written} {red} {green} {opacity}");
        }
    }
    let mut step = step(&task("upscale"), Bounds { max_pixels: 4 * 256 - 1 }).expect("the task");
    assert_eq!(step.apply(rgba(16, &pixels)), Err(ImageError::OutputTooLarge));
}
