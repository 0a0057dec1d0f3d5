use crate::{
    Layout,
    steps::tests::{apply, pixel, plane},
};

#[test]
fn corners_are_cut_by_quarter_circles() {
    let result = apply("rounded_corners=r:10", plane(40, 30, [9, 9, 9]));
    assert_eq!((result.width, result.height, result.layout), (40, 30, Layout::Rgba));
    for (column, row) in [(0, 0), (39, 0), (0, 29), (39, 29)] {
        assert_eq!(pixel(&result, column, row)[3], 0, "{column} {row}");
    }
    for (column, row) in [(20, 0), (10, 0), (0, 15), (20, 15), (5, 5), (34, 24)] {
        assert_eq!(pixel(&result, column, row), [9, 9, 9, 255], "{column} {row}");
    }
    // Four corners of a square less the area of a circle.
    let missing: f64 = result.pixels.as_chunks::<4>().0.iter().map(|pixel| 1.0 - f64::from(pixel[3]) / 255.0).sum();
    assert!((missing - (400.0 - std::f64::consts::PI * 100.0)).abs() < 2.0, "{missing}");
}

#[test]
fn the_largest_radius_is_half_of_the_shorter_side() {
    let largest = apply("rounded_corners=r:max", plane(40, 30, [9, 9, 9]));
    assert_eq!(largest, apply("rounded_corners=r:15", plane(40, 30, [9, 9, 9])));
    assert_eq!(largest, apply("rounded_corners=r:9000", plane(40, 30, [9, 9, 9])));
    let soft = apply("rounded_corners=r:max,l:5", plane(40, 30, [9, 9, 9]));
    let partly =
        |bitmap: &crate::Bitmap| bitmap.pixels.as_chunks::<4>().0.iter().filter(|pixel| pixel[3] % 255 > 0).count();
    assert!(partly(&soft) > 2 * partly(&largest));
}

#[test]
fn a_background_comes_where_the_effect_is_transparent() {
    let on_red = apply("circle=b:red", plane(30, 20, [9, 9, 9]));
    assert_eq!((on_red.width, on_red.height, on_red.layout), (20, 20, Layout::Rgb));
    assert_eq!((pixel(&on_red, 0, 0), pixel(&on_red, 10, 10)), (&[255, 0, 0][..], &[9; 3][..]));
    let on_glass = apply("circle=b:FF000080", plane(30, 20, [9, 9, 9]));
    assert_eq!((pixel(&on_glass, 0, 0), pixel(&on_glass, 10, 10)), (&[255, 0, 0, 128][..], &[9, 9, 9, 255][..]));
}

#[test]
fn a_circle_is_the_disc_in_the_middle() {
    // The sample of the documents: 300 × 224 became about 224 × 224.
    let mut picture = plane(300, 224, [0]);
    picture.pixels.chunks_exact_mut(300).for_each(|row| row[150] = 200);
    let disc = apply("circle", picture);
    assert_eq!((disc.width, disc.height, disc.layout), (224, 224, Layout::Rgba));
    assert_eq!(pixel(&disc, 112, 112), [200, 200, 200, 255]);
    let area: f64 = disc.pixels.as_chunks::<4>().0.iter().map(|pixel| f64::from(pixel[3]) / 255.0).sum();
    assert!((area - std::f64::consts::PI * 112.0 * 112.0).abs() < 60.0, "{area}");
}

#[test]
fn a_vignette_fades_to_the_edges_and_more_with_strength() {
    let opacities = |task: &str| {
        let result = apply(task, plane(101, 51, [9, 9, 9]));
        [(50, 25), (90, 25), (100, 25), (0, 0)].map(|(column, row)| pixel(&result, column, row)[3])
    };
    let [middle, near, edge, corner] = opacities("vignette");
    assert!(middle == 255 && near == 255 && (100..250).contains(&edge) && corner == 0, "{near} {edge} {corner}");
    let [middle, near, edge, _] = opacities("vignette=a:80");
    assert!(middle == 255 && near < 100 && edge < 10, "{near} {edge}");
    let [_, near, ..] = opacities("vignette=a:80,m:linear");
    assert!(near > 60 && near < 140, "{near}");
    assert_eq!(apply("vignette=a:0", plane(101, 51, [9, 9, 9])), plane(101, 51, [9, 9, 9]));
}
