use crate::{
    Layout,
    steps::tests::{apply, pixel, plane},
};

#[test]
fn a_border_adds_its_width_on_each_side() {
    let framed = apply("border=w:5,c:red", plane(20, 10, [9, 9, 9]));
    assert_eq!((framed.width, framed.height, framed.layout), (30, 20, Layout::Rgb));
    for (column, row) in [(0, 0), (4, 10), (25, 10), (15, 4), (15, 15), (29, 19)] {
        assert_eq!(pixel(&framed, column, row), [255, 0, 0], "{column} {row}");
    }
    for (column, row) in [(5, 5), (24, 14), (15, 10)] {
        assert_eq!(pixel(&framed, column, row), [9; 3], "{column} {row}");
    }
    let default = apply("border", plane(20, 10, [9]));
    assert_eq!((default.width, default.height, pixel(&default, 1, 1)), (24, 14, &[0][..]));
    assert_eq!(apply("border=w:0", plane(20, 10, [9])), plane(20, 10, [9]));
}

#[test]
fn the_background_of_a_border_shows_through() {
    let clear = plane(4, 4, [0; 4]);
    assert_eq!(pixel(&apply("border=b:blue", clear.clone()), 3, 3), [0, 0, 255]);
    assert_eq!(pixel(&apply("border=b:transparent", clear.clone()), 3, 3), [0; 4]);
    assert_eq!(pixel(&apply("border=c:00000080", clear), 0, 0), [127; 3]);
}

#[test]
fn a_shadow_lies_where_the_vector_says_and_the_canvas_grows_to_hold_it() {
    let cast = apply("shadow=l:0,o:50,v:[6,-3],c:00FF00", plane(20, 10, [9, 9, 9]));
    assert_eq!((cast.width, cast.height, cast.layout), (26, 13, Layout::Rgba));
    assert_eq!(pixel(&cast, 0, 3), [9, 9, 9, 255]);
    assert_eq!(pixel(&cast, 19, 12), [9, 9, 9, 255]);
    assert_eq!(pixel(&cast, 25, 0), [0, 255, 0, 128]);
    assert_eq!(pixel(&cast, 0, 0)[3], 0);
    assert_eq!(pixel(&cast, 25, 12)[3], 0);
    for (task, sides) in [
        ("shadow", (20 + 8 + 8, 10 + 8 + 8)),
        ("shadow=l:4,v:[20,0]", (20 + 28, 10 + 16)),
        ("shadow=l:4,v:[-20,3]", (20 + 28, 10 + 16)),
        ("shadow=l:0,v:[0,0]", (20, 10)),
    ] {
        let cast = apply(task, plane(20, 10, [9, 9, 9]));
        assert_eq!((cast.width, cast.height), sides, "{task}");
    }
    let on_white = apply("shadow=l:2,b:white", plane(20, 10, [9, 9, 9]));
    assert_eq!((on_white.layout, pixel(&on_white, 27, 0)), (Layout::Rgb, &[255; 3][..]));
}

#[test]
fn what_is_transparent_casts_no_shadow() {
    let cast = apply("shadow=l:0,v:[2,2]", plane(8, 8, [200, 0, 0, 0]));
    assert!(cast.pixels.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 0));
}

#[test]
fn a_polaroid_has_more_paper_below() {
    let photo = apply("polaroid=r:0,c:red,b:white", plane(100, 100, [9, 9, 9]));
    assert_eq!(photo.layout, Layout::Rgb);
    // Ten pixels of paper, forty below; two of the four pixels that the shadow reaches lie behind the paper.
    assert_eq!((photo.width, photo.height), (100 + 20 + 8, 100 + 50 + 8));
    for (column, row, colour) in [(7, 80, [255, 0, 0]), (60, 7, [255, 0, 0]), (60, 60, [9; 3]), (60, 130, [255, 0, 0])]
    {
        assert_eq!(pixel(&photo, column, row), colour, "{column} {row}");
    }
    let turned = apply("polaroid", plane(100, 100, [9, 9, 9]));
    assert_eq!((turned.width, turned.height, turned.layout), (203, 203, Layout::Rgba));
    assert_eq!(pixel(&turned, 0, 0)[3], 0);
}
