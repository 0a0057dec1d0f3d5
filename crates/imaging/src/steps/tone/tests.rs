use super::*;
use crate::steps::tests::{apply, gray, pixel, plane, rgb, rgba};

const COLOURS: [[u8; 3]; 6] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [10, 20, 30]];

#[test]
fn monochrome_is_brightness_and_keeps_opacity() {
    let shades = apply("monochrome", rgb(6, &COLOURS));
    assert_eq!(shades, gray(6, &[54, 182, 18, 255, 0, 19]));
    assert_eq!(apply("monochrome", gray(2, &[3, 4])), gray(2, &[3, 4]));
    assert_eq!(apply("monochrome", rgba(1, &[[255, 0, 0, 77]])), rgba(1, &[[54, 54, 54, 77]]));
}

#[test]
fn blackwhite_has_two_colours_cut_at_the_threshold() {
    assert_eq!(apply("blackwhite", gray(4, &[0, 127, 128, 255])).pixels, [0, 0, 255, 255]);
    assert_eq!(apply("blackwhite=t:80", gray(3, &[203, 204, 205])).pixels, [0, 0, 255]);
    assert_eq!(apply("blackwhite=t:100", gray(1, &[255])).pixels, [0]);
    assert_eq!(apply("blackwhite=t:0", gray(2, &[0, 1])).pixels, [0, 255]);
    assert_eq!(apply("blackwhite", rgba(1, &[[0, 255, 0, 9]])).pixels, [255, 255, 255, 9]);
}

#[test]
fn negative_turns_colours_around_and_not_opacity() {
    assert_eq!(apply("negative", rgba(1, &[[255, 1, 100, 77]])), rgba(1, &[[0, 254, 155, 77]]));
    assert_eq!(apply("negative", rgb(1, &[[255, 1, 100]])), rgb(1, &[[0, 254, 155]]));
    assert_eq!(apply("negative", gray(1, &[200])), gray(1, &[55]));
}

#[test]
fn sepia_of_a_ramp_is_that_of_imagemagick() {
    // convert -size 256x1 xc: -fx i/255 -sepia-tone 80% (6.9.11)
    let ramp: Vec<u8> = (0..=255).collect();
    let toned = apply("sepia", gray(256, &ramp));
    for (level, expected) in SEPIA_80 {
        let colour = pixel(&toned, level, 0);
        assert!(
            colour.iter().zip(expected).all(|(one, other)| one.abs_diff(other) <= 3),
            "{level}: {colour:?} {expected:?}"
        );
    }
    let opaque = apply("sepia", rgba(2, &[[0, 0, 0, 9], [255, 255, 255, 99]]));
    assert_eq!((pixel(&opaque, 0, 0)[3], pixel(&opaque, 1, 0)[3]), (9, 99));
}

const SEPIA_80: [(u32, [u8; 3]); 7] = [
    (0, [11, 0, 0]),
    (32, [43, 13, 0]),
    (64, [85, 49, 0]),
    (128, [179, 137, 74]),
    (192, [248, 208, 147]),
    (224, [255, 241, 182]),
    (255, [255, 255, 218]),
];

#[test]
fn modulate_counts_in_percent_and_degrees() {
    assert_eq!(apply("modulate", rgb(6, &COLOURS)), rgb(6, &COLOURS));
    // A third of a circle moves red to green.
    assert_eq!(
        apply("modulate=h:120", rgb(3, &[[255, 0, 0], [200, 100, 100], [10, 20, 30]])).pixels,
        [0, 255, 0, 100, 200, 100, 30, 10, 20]
    );
    assert_eq!(apply("modulate=h:60", rgb(1, &[[200, 100, 100]])).pixels, [200, 200, 100]);
    assert_eq!(apply("modulate=s:0", rgb(1, &[[200, 100, 50]])).pixels, [125; 3]);
    assert_eq!(apply("modulate=b:50", rgb(1, &[[200, 100, 100]])).pixels, [111, 39, 39]);
    assert_eq!(apply("modulate=b:0", rgb(1, &[[200, 100, 100]])).pixels, [0; 3]);
    assert_eq!(apply("modulate=b:10000", rgb(1, &[[200, 100, 100]])).pixels, [255; 3]);
    assert_eq!(apply("modulate=s:200", rgb(1, &[[140, 120, 120]])).pixels, [150, 110, 110]);
    assert_eq!(apply("modulate=b:150,s:300,h:77", gray(2, &[100, 200])).pixels, [150, 255]);
    assert_eq!(apply("modulate=h:120", rgba(1, &[[255, 0, 0, 5]])).pixels, [0, 255, 0, 5]);
}

#[test]
fn one_table_serves_all_frames() {
    let mut table = None;
    let dark = sepia(plane(4, 4, [60]), 0.8, &mut table);
    let kept = table.clone();
    sepia(plane(4, 4, [200]), 0.8, &mut table);
    assert_eq!(table, kept);
    assert_eq!(dark.layout, Layout::Rgb);
}
