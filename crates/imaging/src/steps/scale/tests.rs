use super::*;

fn gradient(layout: Layout, width: u32, height: u32) -> Bitmap {
    let sample = |x: u32, y: u32, channel: usize| match channel {
        0 => (x * 8) as u8,
        1 => (y * 8) as u8,
        2 => 100,
        _ => u8::MAX,
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = places.flat_map(|(x, y)| (0..layout.channels()).map(move |channel| sample(x, y, channel))).collect();
    Bitmap::new(width, height, layout, pixels).expect("pixels fit the sides")
}

#[test]
fn whole_pixels_of_the_same_size_are_cut_and_nothing_else() {
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        let bitmap = gradient(layout, 9, 7);
        assert_eq!(scale(&bitmap, Region::whole(9, 7), 9, 7, true), Ok(bitmap.clone()));
        let part = Region { x: 2.0, y: 3.0, width: 4.0, height: 2.0 };
        let piece = scale(&bitmap, part, 4, 2, false).expect("inside");
        assert_eq!((piece.width, piece.height, piece.layout), (4, 2, layout));
        for (row, expected) in piece.rows().zip(bitmap.rows().skip(3)) {
            assert_eq!(row, &expected[2 * layout.channels()..6 * layout.channels()]);
        }
    }
}

#[test]
fn a_part_is_scaled_as_if_the_whole_had_been_and_was_then_cut() {
    for linear in [false, true] {
        for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
            let bitmap = gradient(layout, 30, 20);
            let whole = scale(&bitmap, Region::whole(30, 20), 15, 10, linear).expect("smaller");
            let part = Region { x: 8.0, y: 4.0, width: 10.0, height: 8.0 };
            let piece = scale(&bitmap, part, 5, 4, linear).expect("smaller");
            let expected = cut(&whole, 4, 2, 5, 4);
            let differs = piece.pixels.iter().zip(&expected.pixels).any(|(one, other)| one.abs_diff(*other) > 1);
            assert!(!differs, "{layout:?} {linear}: {piece:?} {expected:?}");
        }
    }
}

#[test]
fn the_middle_of_pixels_moves_with_the_edges() {
    // Half a pixel to the right on a slope of 8 per pixel.
    let bitmap = gradient(Layout::Gray, 30, 3);
    let part = Region { x: 10.5, y: 0.0, width: 10.0, height: 3.0 };
    let piece = scale(&bitmap, part, 10, 3, false).expect("inside");
    assert_eq!(&piece.pixels[..3], &[84, 92, 100]);
}

#[test]
fn transparent_colours_do_not_shine_through() {
    // Opaque red beside transparent green.
    let pixels = (0..64).flat_map(|x| if x % 2 == 0 { [255, 0, 0, 255] } else { [0, 255, 0, 0] }).collect();
    let bitmap = Bitmap::new(64, 1, Layout::Rgba, pixels).expect("pixels fit the sides");
    for linear in [false, true] {
        let small = scale(&bitmap, Region::whole(64, 1), 16, 1, linear).expect("smaller");
        for pixel in small.pixels.chunks_exact(4) {
            assert!(pixel[0] >= 254 && pixel[1] <= 1 && (112..=144).contains(&pixel[3]), "{pixel:?}");
        }
    }
}

#[test]
fn linear_light_keeps_the_brightness_of_fine_lines() {
    let pixels = (0..64 * 64).map(|place| if place % 2 == 0 { 255 } else { 0 }).collect();
    let lines = Bitmap::new(64, 64, Layout::Gray, pixels).expect("pixels fit the sides");
    let level = |linear| scale(&lines, Region::whole(64, 64), 8, 8, linear).expect("smaller").pixels[8 * 4 + 4];
    assert!((126..=129).contains(&level(false)), "{}", level(false));
    assert!((186..=190).contains(&level(true)), "{}", level(true));
}

#[test]
fn extreme_shapes_need_no_more_room_than_their_pixels() {
    let wide = Bitmap::new(20_000, 1, Layout::Gray, vec![7; 20_000]).expect("pixels fit the sides");
    let high = scale(&wide, Region::whole(20_000, 1), 1, 20_000, false).expect("as many pixels");
    assert_eq!((high.width, high.height), (1, 20_000));
    assert!(high.pixels.iter().all(|level| *level == 7));
    let sliver = Region { x: 0.0, y: 0.0, width: 0.01, height: 1.0 };
    assert_eq!(scale(&wide, sliver, 3, 3, false).expect("a part of a pixel").pixels, [7; 9]);
}

#[test]
fn what_lies_outside_or_has_no_sides_is_refused() {
    let bitmap = gradient(Layout::Rgb, 4, 4);
    let outside = Region { x: 4.0, y: 0.0, width: 2.0, height: 2.0 };
    assert_eq!(scale(&bitmap, outside, 2, 2, false), Err(ImageError::OutputTooLarge));
    assert_eq!(scale(&bitmap, Region::whole(4, 4), 0, 2, false), Err(ImageError::OutputTooLarge));
    let beyond = Region { x: 1.0, y: 0.0, width: 3.000_001, height: 4.0 };
    assert!(scale(&bitmap, beyond, 2, 2, false).is_ok());
}
