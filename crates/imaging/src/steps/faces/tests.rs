use stowage_core::{delivery, tasks::Chain};

use super::*;
use crate::{
    faces::samples::{cat, placed, portrait},
    steps::scale::cut,
};

const BOUNDS: Bounds = Bounds { max_pixels: 1_000_000 };

fn task(written: &str) -> Task {
    let path = format!("/{written}/7xSJALUhSlCDCNujt5Ku");
    let tasks = delivery::parse(&path, None).expect(written).tasks;
    Chain::read(&tasks).expect(written).steps.remove(0)
}

fn apply(written: &str, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
    step(&task(written), BOUNDS).expect(written).apply(bitmap)
}

fn done(written: &str, bitmap: &Bitmap) -> Bitmap {
    apply(written, bitmap.clone()).expect(written)
}

/// The portrait twice, side by side.
fn pair() -> Bitmap {
    placed(&portrait(), 256, 96, &[(0, 0), (128, 0)])
}

/// Whether a pixel of a rectangle differs.
fn differs(one: &Bitmap, other: &Bitmap, area: Region) -> bool {
    let [x, y, width, height] = [area.x, area.y, area.width, area.height].map(|pixels| pixels as u32);
    cut(one, x, y, width, height) != cut(other, x, y, width, height)
}

fn only_face(bitmap: &Bitmap) -> Face {
    let faces = faces::detect(bitmap);
    let [face] = faces.as_slice() else { panic!("not one face: {faces:?}") };
    *face
}

#[test]
fn faces_are_told_in_json_and_drawn_with_boxes_and_numbers() {
    let picture = pair();
    let [first, second] = faces::detect(&picture)[..] else { panic!("not two faces") };
    let json = |Face { area, .. }: Face| {
        format!(r#"{{"x":{},"y":{},"width":{},"height":{}}}"#, area.x, area.y, area.width, area.height)
    };
    let exported = export(&task("detect_faces=export:true"), &picture);
    assert_eq!(exported, Some(format!("[{},{}]", json(first), json(second))));
    assert_eq!(export(&task("detect_faces=export:true"), &cat()).as_deref(), Some("[]"));
    assert_eq!(export(&task("detect_faces"), &cat()), None);

    let marked = done("detect_faces=color:00ff00", &picture);
    let pixel = |x: f64, y: f64| {
        let start = (y as usize * 256 + x as usize) * 3;
        [0, 1, 2].map(|channel| marked.pixels[start + channel])
    };
    for Face { area, .. } in [first, second] {
        assert_eq!(pixel(area.x, area.y), [0, 255, 0]);
        assert_eq!(pixel(area.x + area.width - 1.0, area.y + area.height - 1.0), [0, 255, 0]);
    }
    // 1 and 2 are different drawings.
    let inner = |Face { area, .. }: Face| {
        let changed = |&(x, y): &(u32, u32)| {
            let (x, y) = (area.x + f64::from(x), area.y + f64::from(y));
            differs(&marked, &picture, Region { x, y, width: 1.0, height: 1.0 })
        };
        (2..12).flat_map(|y| (2..10).map(move |x| (x, y))).filter(changed).collect::<Vec<_>>()
    };
    assert!(!inner(first).is_empty() && inner(first) != inner(second));
    assert_eq!(done("detect_faces", &cat()), cat());
}

#[test]
fn a_crop_holds_the_face() {
    let picture = portrait();
    let Region { width, height, .. } = only_face(&picture).area;
    let sides = |written: &str| {
        let result = done(written, &picture);
        (f64::from(result.width), f64::from(result.height))
    };
    assert_eq!(sides("crop_faces"), (width, height));
    assert_eq!(sides("crop_faces=mode:crop,buffer:100"), (width, height));
    let (wide, high) = sides("crop_faces=buffer:50");
    assert!((wide - width * 1.5).abs() <= 2.0 && (high - height * 1.5).abs() <= 2.0, "{wide} × {high}");
    // A buffer ends at the edges of the picture.
    assert_eq!(sides("crop_faces=buffer:10000"), (128.0, 96.0));

    let follow = (60.0 * height / width).round();
    assert_eq!(sides("crop_faces=width:60"), (60.0, follow));
    assert_eq!(sides("crop_faces=width:60,height:300"), (60.0, follow));
    assert_eq!(sides("crop_faces=mode:fill,width:60,height:30"), (60.0, 30.0));

    let shown = done("crop_faces=buffer:60,w:120", &picture);
    assert_eq!(faces::detect(&shown).len(), 1);
}

#[test]
fn a_crop_of_several_faces_holds_them_all() {
    let picture = pair();
    let [first, second] = faces::detect(&picture)[..] else { panic!("not two faces") };
    let both = done("crop_faces=faces:all", &picture);
    assert_eq!(f64::from(both.width), second.area.x + second.area.width - first.area.x);
    let listed = done("crop_faces=faces:[1,2]", &picture);
    assert_eq!(both, listed);
    let last = done("crop_faces=faces:2", &picture);
    let Region { x, y, width, height } = second.area;
    assert_eq!(last, cut(&picture, x as u32, y as u32, width as u32, height as u32));
}

#[test]
fn a_crop_without_a_face_is_refused() {
    let refused = Err(ImageError::Unsupported("no face found".to_owned()));
    assert_eq!(apply("crop_faces", cat()), refused);
    assert_eq!(apply("crop_faces=faces:7", portrait()), refused);
    assert_eq!(apply("crop_faces=minsize:500", portrait()), refused);
    assert_eq!(apply("crop_faces=width:9000,height:9000", portrait()), Err(ImageError::OutputTooLarge));
}

#[test]
fn faces_are_hidden_and_the_rest_stays() {
    let picture = pair();
    let [first, second] = faces::detect(&picture)[..] else { panic!("not two faces") };
    for written in ["pixelate_faces=blur:0", "blur_faces=blur:0", "pixelate_faces=blur:0,type:oval"] {
        let hidden = done(written, &picture);
        assert!(differs(&hidden, &picture, first.area) && differs(&hidden, &picture, second.area), "{written}");
        assert!(!differs(&hidden, &picture, Region { x: 0.0, y: 75.0, width: 256.0, height: 21.0 }), "{written}");
    }
    let nobody = Bitmap::filled(64, 64, [200, 150, 120, 255]);
    for written in ["pixelate_faces", "blur_faces=type:oval"] {
        assert_eq!(done(written, &nobody), nobody, "{written}");
    }
    assert_eq!(faces::detect(&done("pixelate_faces=amount:20", &picture)), []);

    let one = done("blur_faces=faces:2,blur:0,buffer:10", &picture);
    assert!(!differs(&one, &picture, first.area) && differs(&one, &picture, second.area));
}

#[test]
fn faces_of_odd_sizes_are_left_out() {
    let face = |size: f64| Face {
        area: Region { x: size, y: 0.0, width: size - 1.0, height: size },
        score: 1.0,
        eyes: [(0.0, 0.0); 2],
    };
    let faces = [20.0, 100.0, 90.0, 110.0, 180.0].map(face).to_vec();
    let sizes = |written: &str| -> Vec<f64> {
        let chosen = Selection::of(&task(written)).choose(faces.clone());
        chosen.iter().map(|face| face.area.height).collect()
    };
    assert_eq!(sizes("detect_faces"), [100.0, 90.0, 110.0]);
    assert_eq!(sizes("detect_faces=minsize:0.9"), [20.0, 100.0, 90.0, 110.0]);
    assert_eq!(sizes("detect_faces=maxsize:1"), [100.0, 90.0, 110.0, 180.0]);
    assert_eq!(sizes("detect_faces=minsize:15,maxsize:95"), [20.0, 90.0]);
    assert_eq!(sizes("detect_faces=minsize:0,maxsize:0").len(), 5);
    // Numbers count what is left.
    assert_eq!(sizes("blur_faces=faces:[1,3,9]"), [100.0, 110.0]);
    assert_eq!(Selection::of(&task("blur_faces")).choose(Vec::new()), []);
}

#[test]
fn red_pupils_become_dark_and_other_red_stays() {
    let mut picture = portrait();
    let eyes = only_face(&picture).eyes;
    let spots = [eyes[0], eyes[1], (10.0, 80.0)].map(|(x, y)| (x.round() as i64, y.round() as i64));
    for (x, y) in spots {
        picture.pixel_mut(x, y).expect("inside").copy_from_slice(&[210, 40, 30]);
    }
    let face = only_face(&picture).area;
    let mut result = done("redeye", &picture);
    let mut pixel = |(x, y): (i64, i64)| result.pixel_mut(x, y).expect("inside").to_vec();
    for spot in &spots[..2] {
        assert_eq!(pixel(*spot), [35, 40, 30]);
    }
    assert_eq!(pixel(spots[2]), [210, 40, 30]);
    let lips = Region { x: face.x, y: face.y + face.height * 0.6, width: face.width, height: face.height * 0.4 };
    assert!(!differs(&result, &picture, lips));

    let gray = Bitmap { layout: Layout::Gray, width: 128 * 3, ..portrait() };
    assert_eq!(done("redeye", &gray), gray);
}
