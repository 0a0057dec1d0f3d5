use super::{
    samples::{FACE, cat, placed, portrait},
    *,
};

/// The expected place of the face of the portrait, moved and enlarged.
fn expected(x: f64, y: f64, enlargement: f64) -> [f32; 4] {
    let [left, top, right, bottom] = FACE;
    [x + left * enlargement, y + top * enlargement, x + right * enlargement, y + bottom * enlargement]
        .map(|edge| edge as f32)
}

fn edges(face: &Face) -> [f32; 4] {
    let Region { x, y, width, height } = face.area;
    [x, y, x + width, y + height].map(|edge| edge as f32)
}

fn assert_one_face(bitmap: &Bitmap, expected: [f32; 4]) -> Face {
    let faces = detect(bitmap);
    let [face] = faces.as_slice() else { panic!("not one face: {faces:?}") };
    let common = overlap(&edges(face), &expected);
    assert!(common > 0.7, "{face:?} covers {common} of {expected:?}");
    *face
}

fn resized(bitmap: &Bitmap, width: u32, height: u32) -> Bitmap {
    scale(bitmap, Region::whole(bitmap.width, bitmap.height), width, height, false).expect("a size that can be had")
}

#[test]
fn a_face_is_found_where_it_is() {
    let face = assert_one_face(&portrait(), expected(0.0, 0.0, 1.0));
    assert!(face.score > 0.85, "{face:?}");
    // The eyes lie in the upper half of the face, side by side.
    let [left, right] = face.eyes;
    assert!((38.0..48.0).contains(&left.0) && (36.0..44.0).contains(&left.1), "{left:?}");
    assert!((54.0..64.0).contains(&right.0) && (35.0..44.0).contains(&right.1), "{right:?}");
    assert_eq!(detect(&portrait()), [face], "the second look is the same");
}

#[test]
fn faces_are_found_at_other_sizes_places_and_in_gray_and_transparent_pictures() {
    let portrait = portrait();
    // Sides that no stride divides.
    assert_one_face(&resized(&portrait, 96, 72), expected(0.0, 0.0, 0.75));
    assert_one_face(&resized(&portrait, 201, 149), expected(0.0, 0.0, 1.56));
    assert_one_face(&placed(&portrait, 203, 109, &[(71, 11)]), expected(71.0, 11.0, 1.0));

    let luma = |pixel: &[u8]| ((u32::from(pixel[0]) + 2 * u32::from(pixel[1]) + u32::from(pixel[2])) / 4) as u8;
    let gray = portrait.pixels.chunks_exact(3).map(luma).collect();
    let gray = Bitmap { layout: Layout::Gray, pixels: gray, ..portrait };
    assert_one_face(&gray, expected(0.0, 0.0, 1.0));
    assert_one_face(&gray.into_rgba(), expected(0.0, 0.0, 1.0));
}

#[test]
fn a_small_face_in_a_large_picture_is_found_by_the_second_look() {
    // On the first copy the face is 20 pixels high.
    let large = placed(&portrait(), 1280, 96, &[(900, 0)]);
    assert_one_face(&large, expected(900.0, 0.0, 1.0));
}

#[test]
fn nothing_else_is_a_face() {
    let noise = || {
        let mut state = 1_u32;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
    };
    let noise = Bitmap { width: 160, height: 128, layout: Layout::Rgb, pixels: noise().take(160 * 128 * 3).collect() };
    for picture in [cat(), noise, Bitmap::filled(64, 64, [224, 172, 140, 255]), Bitmap::filled(1, 1, [0; 4])] {
        assert_eq!(detect(&picture), [], "{} × {}", picture.width, picture.height);
    }
    assert_eq!(detect(&Bitmap::filled(3000, 1, [9; 4])), []);
    assert_eq!(bounding(&[]), None);
}

#[test]
fn faces_are_counted_from_left_to_right_and_then_down() {
    let [wide, high] = [128, 96].map(f64::from);
    let faces = detect(&placed(&portrait(), 256, 192, &[(0, 0), (128, 0), (0, 96), (128, 96)]));
    let places = [(0.0, 0.0), (0.0, high), (wide, 0.0), (wide, high)];
    assert_eq!(faces.len(), 4, "{faces:?}");
    for (face, (x, y)) in faces.iter().zip(places) {
        assert!(overlap(&edges(face), &expected(x, y, 1.0)) > 0.7, "{face:?} at {x}, {y}");
    }
    let around = bounding(&faces).expect("four faces");
    let all = [
        faces[0].area.x,
        faces[0].area.y,
        faces[3].area.x + faces[3].area.width,
        faces[3].area.y + faces[3].area.height,
    ];
    let Region { x, y, width, height } = around;
    assert!((x - all[0]).abs() <= 2.0 && (y - all[1]).abs() <= 2.0, "{around:?} for {all:?}");
    assert!((x + width - all[2]).abs() <= 2.0 && (y + height - all[3]).abs() <= 2.0, "{around:?} for {all:?}");
}
