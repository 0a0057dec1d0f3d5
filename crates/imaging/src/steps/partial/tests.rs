use super::*;
use crate::steps::tests::{apply, pixel, plane};

fn black(bitmap: &Bitmap) -> Bitmap {
    Bitmap { pixels: vec![0; bitmap.pixels.len()], ..*bitmap }
}

fn region(x: f64, y: f64, width: f64, height: f64) -> Region {
    Region { x, y, width, height }
}

#[test]
fn all_of_a_region_is_hidden_and_nothing_far_from_it() {
    for (softness, near) in [(0.0, 200..=200), (4.0, 40..=180)] {
        let result = within(plane(60, 40, [200]), &[region(20.0, 10.0, 10.0, 8.0)], Shape::Rectangle, softness, black);
        for (column, row) in [(20, 10), (29, 17), (25, 13), (20, 17)] {
            assert_eq!(pixel(&result, column, row), [0], "{softness} {column} {row}");
        }
        for (column, row) in [(5, 13), (40, 13), (25, 30), (0, 0)] {
            assert_eq!(pixel(&result, column, row), [200], "{softness} {column} {row}");
        }
        let beside = pixel(&result, 33, 13)[0];
        assert!(near.contains(&beside), "{softness} {beside}");
    }
}

#[test]
fn an_oval_leaves_the_corners_of_its_box() {
    let result = within(plane(60, 40, [200]), &[region(10.0, 10.0, 30.0, 20.0)], Shape::Oval, 0.0, black);
    for (column, row) in [(10, 10), (39, 10), (10, 29), (39, 29)] {
        assert_eq!(pixel(&result, column, row), [200], "{column} {row}");
    }
    for (column, row) in [(25, 20), (11, 20), (38, 20), (25, 11), (25, 28)] {
        assert_eq!(pixel(&result, column, row), [0], "{column} {row}");
    }
}

#[test]
fn regions_reach_as_far_as_the_picture_does() {
    let everywhere = [region(-50.0, -50.0, 500.0, 500.0)];
    assert_eq!(within(plane(6, 4, [200]), &everywhere, Shape::Rectangle, 0.0, black), plane(6, 4, [0]));
    let outside = [region(100.0, 0.0, 5.0, 5.0), region(0.0, 4.0, 9.0, 9.0)];
    assert_eq!(within(plane(6, 4, [200]), &outside, Shape::Oval, 20.0, black), plane(6, 4, [200]));
}

#[test]
fn tasks_name_their_boxes() {
    let mut stripes = plane(40, 40, [0]);
    stripes.pixels.iter_mut().step_by(2).for_each(|level| *level = 200);
    let mosaic = apply("partial_pixelate=o:[[10,10,10,10],[0,30,4,4]],a:10,l:0", stripes.clone());
    assert_eq!(pixel(&mosaic, 15, 15), [100]);
    assert_eq!(pixel(&mosaic, 2, 32), [100]);
    assert_eq!((pixel(&mosaic, 24, 15), pixel(&mosaic, 25, 15)), (&[200][..], &[0][..]));
    let soft = apply("partial_blur=o:[[10,10,20,20]],a:5,t:oval,l:0", stripes.clone());
    assert!(pixel(&soft, 20, 20)[0].abs_diff(100) <= 3);
    assert_eq!((pixel(&soft, 10, 10), pixel(&soft, 11, 10)), (&[200][..], &[0][..]));
    let none = apply("partial_blur=o:[[10,10,20,20]],a:0", stripes.clone());
    assert_eq!(none, stripes);
}
