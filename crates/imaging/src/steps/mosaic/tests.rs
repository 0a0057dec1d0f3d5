use crate::steps::tests::{apply, gray, pixel, plane, rgba};

#[test]
fn squares_have_the_mean_of_their_pixels() {
    let numbers: Vec<u8> = (0..15).collect();
    let squares = apply("pixelate=a:2", gray(5, &numbers));
    assert_eq!(squares.pixels, [3, 3, 5, 5, 7, 3, 3, 5, 5, 7, 11, 11, 13, 13, 14]);
    let weighed = apply("pixelate=a:2", rgba(2, &[[200, 0, 0, 255], [0, 90, 0, 0], [100, 0, 0, 255], [0, 90, 0, 0]]));
    assert_eq!(weighed, plane(2, 2, [150, 0, 0, 128]));
    assert_eq!(apply("pixelate=a:100", gray(3, &[0, 3, 6])).pixels, [3; 3]);
}

#[test]
fn oil_takes_the_most_frequent_brightness_around() {
    // A spot on a plane is painted over, an edge stays where it is.
    let mut pixels = [200; 15 * 15];
    pixels[7 * 15 + 7] = 10;
    assert_eq!(apply("oil_paint=a:2", gray(15, &pixels)).pixels, [200; 15 * 15]);
    let edge: Vec<u8> = (0..300).map(|place| if place % 20 < 10 { 30 } else { 220 }).collect();
    assert_eq!(apply("oil_paint=a:3", gray(20, &edge)).pixels, edge);
}

#[test]
fn oil_finds_in_strips_what_a_plain_search_finds() {
    let (width, height, radius) = (1100_i64, 9_i64, 3_i64);
    let levels: Vec<u8> = (0..width * height).map(|place| ((place * 7919) % 251) as u8 / 64 * 64).collect();
    let painted = apply("oil_paint=a:3", gray(width as u32, &levels));
    for (x, y) in [(0, 0), (1, 4), (500, 8), (1022, 4), (1023, 3), (1024, 0), (1027, 5), (1099, 8)] {
        let mut counts = [0_u32; 256];
        for row in (y - radius).max(0)..=(y + radius).min(height - 1) {
            for column in (x - radius).max(0)..=(x + radius).min(width - 1) {
                counts[usize::from(levels[(row * width + column) as usize])] += 1;
            }
        }
        let most = counts.iter().max().expect("not empty");
        let level = pixel(&painted, x as u32, y as u32)[0];
        assert_eq!(&counts[usize::from(level)], most, "{x} {y}");
    }
}
