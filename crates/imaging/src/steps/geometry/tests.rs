use proptest::prelude::*;
use stowage_core::{delivery, tasks::Chain};

use super::*;
use crate::Layout;

fn task(written: &str) -> Task {
    let path = format!("/{written}/7xSJALUhSlCDCNujt5Ku");
    let tasks = delivery::parse(&path, None).expect(written).tasks;
    Chain::read(&tasks).expect(written).steps.remove(0)
}

fn sides(written: &str, width: u32, height: u32) -> (u32, u32) {
    let placement = placement(&task(written), width, height, None).expect(written);
    (placement.width, placement.height)
}

fn part(written: &str, width: u32, height: u32, faces: Option<Region>) -> [f64; 4] {
    let Region { x, y, width, height } = placement(&task(written), width, height, faces).expect(written).part;
    [x, y, width, height]
}

#[test]
fn results_have_the_sides_that_the_fit_asks_for() {
    for (written, from, to) in [
        ("resize=w:300,h:300", (2832, 1593), (300, 169)),
        ("resize=w:300,h:100", (2832, 1593), (178, 100)),
        ("resize=w:5664", (2832, 1593), (5664, 3186)),
        ("resize=h:36", (612, 792), (28, 36)),
        ("resize=w:300,h:0", (600, 400), (300, 200)),
        ("resize=w:10", (1000, 3), (10, 1)),
        ("resize=w:900,h:900,f:max", (300, 200), (300, 200)),
        ("resize=w:900,f:max", (300, 200), (300, 200)),
        ("resize=w:150,h:900,f:max", (300, 200), (150, 100)),
        ("resize=w:150,h:900,f:scale", (300, 200), (150, 900)),
        ("resize=w:150,f:scale", (300, 200), (150, 100)),
        ("resize=w:50,f:crop,a:center", (300, 200), (50, 33)),
        ("resize=w:50,h:50,f:crop", (300, 200), (50, 50)),
        ("resize=w:500,h:500,f:crop", (300, 200), (500, 500)),
        ("crop=d:[10,20,30,40]", (300, 200), (30, 40)),
        ("crop=d:[290,190,30,40]", (300, 200), (10, 10)),
        ("crop=d:[0,0,100000,100000]", (300, 200), (300, 200)),
    ] {
        assert_eq!(sides(written, from.0, from.1), to, "{written} of {from:?}");
    }
}

#[test]
fn the_window_of_a_crop_lies_where_align_says() {
    let faces = |x, y| Some(Region { x, y, width: 20.0, height: 20.0 });
    for (align, faces, expected) in [
        ("center", None, [50.0, 0.0, 200.0, 200.0]),
        ("top", None, [50.0, 0.0, 200.0, 200.0]),
        ("left", None, [0.0, 0.0, 200.0, 200.0]),
        ("right", None, [100.0, 0.0, 200.0, 200.0]),
        ("[bottom,right]", None, [100.0, 0.0, 200.0, 200.0]),
        ("faces", None, [50.0, 0.0, 200.0, 200.0]),
        ("faces", faces(180.0, 90.0), [90.0, 0.0, 200.0, 200.0]),
        ("faces", faces(5.0, 5.0), [0.0, 0.0, 200.0, 200.0]),
        ("faces", faces(270.0, 5.0), [100.0, 0.0, 200.0, 200.0]),
    ] {
        assert_eq!(part(&format!("resize=w:100,h:100,f:crop,a:{align}"), 300, 200, faces), expected, "{align}");
    }
    assert_eq!(part("resize=w:100,h:20,f:crop,a:bottom", 100, 50, None), [0.0, 30.0, 100.0, 20.0]);
    // Between pixels where pixels are scaled anyway, on whole ones where they are not.
    assert_eq!(part("resize=w:10,h:10,f:crop", 21, 20, None), [0.5, 0.0, 20.0, 20.0]);
    assert_eq!(part("resize=w:20,h:20,f:crop", 21, 20, None), [0.0, 0.0, 20.0, 20.0]);
    assert!(looks_for_faces(&task("resize=w:9,h:9,f:crop,a:faces")));
    assert!(!looks_for_faces(&task("resize=w:9,h:9,a:faces")));
    assert!(!looks_for_faces(&task("resize=w:9,h:9,f:crop")));
}

#[test]
fn a_rectangle_outside_of_the_picture_is_refused() {
    for dim in ["[300,0,1,1]", "[0,200,1,1]", "[100000,100000,100000,100000]"] {
        let refused = placement(&task(&format!("crop=d:{dim}")), 300, 200, None);
        assert_eq!(refused, Err(ImageError::Parameter { task: "crop", parameter: "dim" }), "{dim}");
    }
}

#[test]
fn placed_pictures_have_the_sides_and_no_more_than_may_be() {
    let bitmap = numbered(Layout::Rgb, 6, 4);
    let bounds = Bounds { max_pixels: 24 };
    let all = placement(&task("resize=w:6"), 6, 4, None).expect("a size");
    assert_eq!(placed(bitmap.clone(), all, bounds, false), Ok(bitmap.clone()));
    let half = placement(&task("resize=w:3"), 6, 4, None).expect("a size");
    assert_eq!(placed(bitmap.clone(), half, bounds, false).map(|half| (half.width, half.height)), Ok((3, 2)));
    let more = placement(&task("resize=w:7"), 6, 4, None).expect("a size");
    assert_eq!(placed(bitmap, more, bounds, false), Err(ImageError::OutputTooLarge));
}

/// Each pixel another one.
fn numbered(layout: Layout, width: u32, height: u32) -> Bitmap {
    let pixels = (0..width * height)
        .flat_map(|number| [number as u8, (number >> 8) as u8, 99, 255].into_iter().take(layout.channels()))
        .collect();
    Bitmap::new(width, height, layout, pixels).expect("pixels fit the sides")
}

#[test]
fn quarter_turns_and_mirrors_move_pixels_where_they_belong() {
    // 0 1 2
    // 3 4 5
    for (quarters, mirrored, sides, expected) in [
        (0, false, (3, 2), [0, 1, 2, 3, 4, 5]),
        (0, true, (3, 2), [2, 1, 0, 5, 4, 3]),
        (1, false, (2, 3), [3, 0, 4, 1, 5, 2]),
        (1, true, (2, 3), [0, 3, 1, 4, 2, 5]),
        (2, false, (3, 2), [5, 4, 3, 2, 1, 0]),
        (2, true, (3, 2), [3, 4, 5, 0, 1, 2]),
        (3, false, (2, 3), [2, 5, 1, 4, 0, 3]),
        (3, true, (2, 3), [5, 2, 4, 1, 3, 0]),
    ] {
        let result = turned(numbered(Layout::Gray, 3, 2), quarters, mirrored);
        assert_eq!((result.width, result.height), sides, "{quarters} {mirrored}");
        assert_eq!(result.pixels, expected, "{quarters} {mirrored}");
    }
    let mut flip = step(&task("flip")).expect("known");
    assert_eq!(flip.apply(numbered(Layout::Gray, 3, 2)).map(|flipped| flipped.pixels), Ok(vec![3, 4, 5, 0, 1, 2]));
    let mut flop = step(&task("flop")).expect("known");
    assert_eq!(flop.apply(numbered(Layout::Gray, 3, 2)).map(|flopped| flopped.pixels), Ok(vec![2, 1, 0, 5, 4, 3]));
}

proptest! {
    #[test]
    fn turns_add_up_and_mirrors_undo_themselves(
        width in 1_u32..80, height in 1_u32..80, quarters in 0_u8..8, mirrored: bool, layout in 0_usize..3,
    ) {
        let layout = [Layout::Gray, Layout::Rgb, Layout::Rgba][layout];
        let bitmap = numbered(layout, width, height);
        let step_by_step = (0..quarters).fold(bitmap.clone(), |bitmap, _| turned(bitmap, 1, false));
        let expected = turned(step_by_step, 0, mirrored);
        let result = turned(bitmap.clone(), quarters, mirrored);
        prop_assert_eq!(&result, &expected);
        let back = turned(turned(result, 0, mirrored), 8 - quarters, false);
        prop_assert_eq!(back, bitmap);
    }

    #[test]
    fn every_fit_keeps_its_promise(
        width in 1_u32..5000, height in 1_u32..5000, to_width in 0_u32..3000, to_height in 0_u32..3000,
        fit in 0_usize..4, vertical in 0_usize..3, horizontal in 0_usize..3,
        faces in proptest::option::of((0.0..5000.0, 0.0..5000.0, 0.0..900.0, 0.0..900.0)),
    ) {
        prop_assume!(to_width > 0 || to_height > 0);
        let fit = ["clip", "max", "crop", "scale"][fit];
        let ends = [End::Start, End::Middle, End::Far];
        let faces = faces.map(|(x, y, width, height)| Region { x, y, width, height });
        let place = match faces {
            Some(_) => Place::Faces,
            None => Place::At { vertical: ends[vertical], horizontal: ends[horizontal] },
        };
        let given = |side: u32| Some(side).filter(|side| *side > 0);
        let Placement { part, width: result_width, height: result_height } =
            fitted(fit, (width, height), (given(to_width), given(to_height)), place, faces).expect("a side is given");
        let (whole, both) = (Region::whole(width, height), to_width > 0 && to_height > 0);

        prop_assert!(result_width > 0 && result_height > 0);
        prop_assert!(part.x >= 0.0 && part.y >= 0.0 && part.width > 0.0 && part.height > 0.0);
        prop_assert!(part.x + part.width <= whole.width + 1e-6 && part.y + part.height <= whole.height + 1e-6);
        let exact = both && (fit == "crop" || fit == "scale");
        if exact {
            prop_assert_eq!((result_width, result_height), (to_width, to_height));
        } else {
            // Inside the box, touching it, in the ratio of the picture up to rounding.
            prop_assert!((to_width == 0 || result_width <= to_width) && (to_height == 0 || result_height <= to_height));
            prop_assert!(fit == "max" || result_width == to_width || result_height == to_height);
            let (ratio, of_height) = (f64::from(width) / f64::from(height), f64::from(result_height));
            let off_width = (f64::from(result_width) - of_height * ratio).abs() / ratio.max(1.0);
            prop_assert!(off_width <= 0.5 + 1e-6 || result_width == 1 || result_height == 1, "off by {}", off_width);
        }
        if fit == "max" {
            prop_assert!(result_width <= width && result_height <= height);
        }
        if fit == "crop" && both {
            let scale = (f64::from(to_width) / whole.width).max(f64::from(to_height) / whole.height);
            prop_assert!((part.width * scale - f64::from(to_width)).abs() < 1e-6);
            prop_assert!((part.height * scale - f64::from(to_height)).abs() < 1e-6);
        } else {
            prop_assert_eq!(part, whole);
        }
    }
}
