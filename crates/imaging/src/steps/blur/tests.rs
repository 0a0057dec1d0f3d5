use crate::steps::tests::{apply, gray, pixel, plane, rgba};

#[test]
fn a_blur_spreads_a_point_as_a_gaussian_does() {
    let mut pixels = [0; 41 * 41];
    pixels[20 * 41 + 20] = 255;
    pixels[20 * 41 + 21] = 255;
    let soft = apply("blur=a:1", gray(41, &pixels));
    // 255 · (g(0) + g(1)) · g(0), and so on, with g the Gaussian of sigma 1.
    for (column, row, expected) in [(20, 20, 65), (19, 20, 30), (20, 21, 40), (18, 20, 6), (10, 20, 0)] {
        let level = pixel(&soft, column, row)[0];
        assert!(level.abs_diff(expected) <= 2, "{column} {row}: {level} instead of {expected}");
    }
}

#[test]
fn flat_pictures_stay_as_they_are_up_to_the_edges() {
    for task in ["blur=a:5", "blur=a:20", "sharpen=a:5"] {
        for level in [0, 7, 128, 255] {
            assert_eq!(apply(task, gray(19, &[level; 19 * 9])).pixels, [level; 19 * 9], "{task} {level}");
        }
    }
    let bitmap = plane(7, 7, [10, 200, 30, 128]);
    let soft = apply("blur=a:4", bitmap.clone());
    assert!(soft.pixels.iter().zip(&bitmap.pixels).all(|(one, other)| one.abs_diff(*other) <= 1));
}

#[test]
fn blurred_opacity_takes_no_colour_with_it() {
    let half: Vec<[u8; 4]> = (0..20).map(|column| if column < 10 { [200, 100, 0, 255] } else { [0; 4] }).collect();
    let soft = apply("blur=a:3", rgba(20, &half));
    let [red, green, _, opacity] = pixel(&soft, 11, 0) else { panic!("four samples") };
    assert!((60..127).contains(opacity), "{opacity}");
    assert!(red.abs_diff(200) <= 2 && green.abs_diff(100) <= 2, "{red} {green}");
}

#[test]
fn sharpening_raises_edges_and_keeps_opacities() {
    let edge: Vec<u8> = (0..20).map(|column| if column < 10 { 80 } else { 160 }).collect();
    let sharp = apply("sharpen=a:2", gray(20, &edge));
    assert!(pixel(&sharp, 9, 0)[0] < 60 && pixel(&sharp, 10, 0)[0] > 180, "{sharp:?}");
    assert_eq!((pixel(&sharp, 0, 0)[0], pixel(&sharp, 19, 0)[0]), (80, 160));
    assert_eq!(apply("sharpen=a:0", gray(20, &edge)).pixels, edge);
    let opacities: Vec<[u8; 4]> = (0..20).map(|column| [column * 12, 7, 7, column * 9]).collect();
    let sharp = apply("sharpen", rgba(20, &opacities));
    assert!((0..20).all(|column| pixel(&sharp, column, 0)[3] == column as u8 * 9));
}
