use super::*;
use crate::steps::tests::{apply, pixel, plane, rgb};

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];

#[test]
fn quarter_turns_are_exact_and_go_clockwise() {
    let pair = rgb(2, &[RED, BLUE]);
    assert_eq!(apply("rotate=d:90", pair.clone()), rgb(1, &[RED, BLUE]));
    assert_eq!(apply("rotate=d:180", pair.clone()), rgb(2, &[BLUE, RED]));
    assert_eq!(apply("rotate=d:270", pair.clone()), rgb(1, &[BLUE, RED]));
    assert_eq!(apply("rotate=d:0", pair.clone()), pair);
}

#[test]
fn other_angles_enlarge_the_canvas_to_the_bounding_box() {
    for (degrees, (width, height)) in [(45, (213, 213)), (30, (224, 187)), (120, (187, 224)), (359, (202, 104))] {
        let result = apply(&format!("rotate=d:{degrees}"), plane(200, 100, RED));
        assert_eq!((result.width, result.height), (width, height), "{degrees}");
        assert_eq!(result.layout, Layout::Rgb);
        // White, as is the default, in the corners and the picture in the middle.
        assert_eq!(pixel(&result, 0, 0), [255; 3], "{degrees}");
        assert_eq!(pixel(&result, width - 1, height - 1), [255; 3], "{degrees}");
        assert_eq!(pixel(&result, width / 2, height / 2), RED, "{degrees}");
        let reds = result.pixels.as_chunks::<3>().0.iter().map(|pixel| 1.0 - f64::from(pixel[1]) / 255.0).sum::<f64>();
        assert!((reds - 20_000.0).abs() < 100.0, "{degrees}: {reds}");
    }
}

#[test]
fn the_ground_may_be_any_colour_and_shades_stay_shades() {
    let clear = apply("rotate=d:45,b:transparent", plane(20, 20, RED));
    assert_eq!((pixel(&clear, 0, 0)[3], pixel(&clear, 14, 14)), (0, &[255, 0, 0, 255][..]));
    assert!(clear.pixels.as_chunks::<4>().0.iter().all(|pixel| pixel[3] < 8 || pixel[0] >= 250), "no dark edges");
    let on_green = apply("rotate=d:45,b:00FF00", plane(20, 20, [9]));
    assert_eq!((pixel(&on_green, 0, 0), pixel(&on_green, 14, 14)), (&[0, 255, 0][..], &[9; 3][..]));
    assert_eq!(apply("rotate=d:45", plane(20, 20, [9])).layout, Layout::Gray);
    // What was transparent before stays it.
    assert_eq!(pixel(&apply("rotate=d:45", plane(20, 20, [0; 4])), 14, 14)[3], 0);
}

#[test]
fn a_turn_goes_clockwise_and_back() {
    // Red on the left of blue: turned by 60 degrees, red is above.
    let pixels: Vec<[u8; 3]> = (0..40 * 40).map(|place| if place % 40 < 20 { RED } else { BLUE }).collect();
    let result = apply("rotate=d:60", rgb(40, &pixels));
    let middle = result.width / 2;
    assert_eq!(pixel(&result, middle, middle - 10), RED);
    assert_eq!(pixel(&result, middle, middle + 10), BLUE);
    let step_of = |task| step(&crate::steps::tests::task(task), Bounds { max_pixels: 1 });
    assert!(step_of("rotate=d:exif").is_none());
    assert!(["rotate=e:true", "rotate=e:false"].iter().all(|task| step_of(task).is_some()));
}
