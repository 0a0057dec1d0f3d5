use stowage_core::{delivery, tasks::Chain};

use super::*;
use crate::{
    Layout,
    faces::samples::{placed, portrait},
};

const BOUNDS: Bounds = Bounds { max_pixels: 1_000_000 };

fn task(written: &str) -> Task {
    let path = format!("/{written}/7xSJALUhSlCDCNujt5Ku");
    let tasks = delivery::parse(&path, None).expect(written).tasks;
    Chain::read(&tasks).expect(written).steps.remove(0)
}

fn apply(written: &str, bitmap: &Bitmap) -> Result<Bitmap, ImageError> {
    step(&task(written), BOUNDS)?.expect(written).apply(bitmap.clone())
}

fn done(written: &str, bitmap: &Bitmap) -> Bitmap {
    apply(written, bitmap).expect(written)
}

/// x, y, width and height.
fn coords(written: &str, bitmap: &Bitmap) -> [u64; 4] {
    let text = export(&task(written), bitmap).expect(written).expect(written);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json.as_object().map(serde_json::Map::len), Some(1));
    ["x", "y", "width", "height"].map(|name| json["coords"][name].as_u64().expect(name))
}

/// Gray, but for stripes around a place.
fn striped(width: u32, height: u32, (middle_x, middle_y): (u32, u32)) -> Bitmap {
    let level = |x: u32, y: u32| {
        let is_near = x.abs_diff(middle_x) < 12 && y.abs_diff(middle_y) < 12;
        if is_near && (x / 3).is_multiple_of(2) { 255 } else { 100 }
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| level(x, y))).collect();
    Bitmap::new(width, height, Layout::Gray, pixels).expect("one sample for each pixel")
}

#[test]
fn the_window_goes_where_something_is() {
    for middle in [30, 170] {
        let [x, y, width, height] =
            coords("smart_crop=width:50,height:50,coords:true", &striped(200, 100, (middle, 50)));
        assert_eq!((y, width, height), (0, 100, 100));
        assert!(x <= u64::from(middle) - 12 && u64::from(middle) + 12 <= x + 100, "{middle}: {x}");
        let [x, y, width, height] =
            coords("smart_crop=width:50,height:50,coords:true", &striped(100, 200, (50, middle)));
        assert_eq!((x, width, height), (0, 100, 100));
        assert!(y <= u64::from(middle) - 12 && u64::from(middle) + 12 <= y + 100, "{middle}: {y}");
    }
    // Nothing to see: the middle.
    assert_eq!(
        coords("smart_crop=width:50,height:50,coords:true", &Bitmap::filled(200, 100, [9; 4])),
        [50, 0, 100, 100]
    );
}

#[test]
fn a_face_is_worth_more_than_stripes() {
    let mut picture = placed(&portrait(), 320, 96, &[(192, 0)]);
    for y in 30..60 {
        for x in 10..40 {
            picture.pixel_mut(x, y).expect("inside").fill(if (x / 3) % 2 == 0 { 255 } else { 0 });
        }
    }
    for written in [
        "smart_crop=width:48,height:48,coords:true",
        "smart_crop=mode:face,width:48,height:48,coords:true",
        "smart_crop=mode:object,object:Person,width:48,height:48,coords:true",
    ] {
        let [x, y, width, height] = coords(written, &picture);
        assert_eq!((y, width, height), (0, 96, 96), "{written}");
        assert!((165..=228).contains(&x), "{written}: {x}");
    }
    let [x, ..] = coords("smart_crop=mode:face,width:48,height:48,coords:true", &picture);
    assert!(x.abs_diff(192 + 52 - 48) <= 4, "the face is in the middle: {x}");
    // Wider apart than the window: one of the two is shown whole.
    let pair = placed(&portrait(), 320, 96, &[(0, 0), (192, 0)]);
    let [x, _, width, _] = coords("smart_crop=mode:face,width:24,height:48,coords:true", &pair);
    let holds = |left: u64| x <= left && left + 33 <= x + width;
    assert!(holds(36) || holds(192 + 36), "{x}");
}

#[test]
fn results_are_exactly_as_large_as_asked_for() {
    let picture = striped(100, 50, (30, 25));
    let sides = |written: &str| {
        let result = done(written, &picture);
        (result.width, result.height)
    };
    assert_eq!(sides("smart_crop=width:33,height:77"), (33, 77));
    assert_eq!(sides("smart_crop=width:77,height:33"), (77, 33));
    assert_eq!(sides("smart_crop=width:80"), (80, 50));
    assert_eq!(sides("smart_crop"), (100, 50));
    assert_eq!(done("smart_crop", &picture), picture);
    assert_eq!(apply("smart_crop=width:5000,height:5000", &picture), Err(ImageError::OutputTooLarge));
}

#[test]
fn a_picture_that_is_too_small_gets_bars() {
    let picture = Bitmap::filled(40, 20, [10, 20, 30, 255]);
    let result = done("smart_crop=width:20,height:60,fill_color:ff0000", &picture);
    assert_eq!((result.width, result.height, result.layout), (20, 60, Layout::Rgb));
    for (y, row) in result.rows().enumerate() {
        let colour = if (20..40).contains(&y) { [10, 20, 30] } else { [255, 0, 0] };
        assert!(row.chunks_exact(3).all(|pixel| pixel == colour), "row {y}");
    }
    assert_eq!(coords("smart_crop=width:20,height:60,coords:true", &picture), [10, 0, 20, 20]);

    let clear = done("smart_crop=width:60,height:20,fill_color:00000000", &picture);
    assert_eq!(clear.layout, Layout::Rgba);
    assert_eq!(clear.pixels[..4], [0; 4]);
    assert_eq!(clear.pixels[4 * 30..][..4], [10, 20, 30, 255]);
    let of_clear = done("smart_crop=width:60,height:20", &clear);
    assert_eq!(of_clear, clear);
    let wider = done("smart_crop=width:62,height:20", &clear);
    assert_eq!((&wider.pixels[..4], &wider.pixels[4..8]), (&[255; 4][..], &[0; 4][..]));
}

#[test]
fn unknown_objects_are_refused() {
    let picture = Bitmap::filled(40, 20, [10, 20, 30, 255]);
    let refused = apply("smart_crop=mode:object,object:dog,width:20,height:20", &picture);
    let text = "smart_crop cannot find the object `dog`, only `face` and `person`".to_owned();
    assert_eq!(refused, Err(ImageError::Unsupported(text)));
    let refused = export(&task("smart_crop=mode:object,width:20,coords:true"), &picture);
    assert_eq!(refused, Err(ImageError::Parameter { task: "smart_crop", parameter: "object" }));
    assert_eq!(export(&task("smart_crop=width:20"), &picture), Ok(None));
    assert!(step(&task("flip"), BOUNDS).is_ok_and(|step| step.is_none()));
}
