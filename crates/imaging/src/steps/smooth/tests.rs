use super::*;
use crate::steps::tests::{plane, rgba};

/// Two halves of 60 and 180, with noise between -`most` and `most`.
pub(in crate::steps) fn noisy_edge(layout: Layout, width: u32, height: u32, most: u32) -> Bitmap {
    let mut state = 1_u32;
    let mut pixels = Vec::new();
    for column in (0..height).flat_map(|_| 0..width) {
        for channel in 0..layout.channels() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let level = if column < width / 2 { 60 } else { 180 } + (state >> 16) % (2 * most + 1) - most;
            pixels.push(if channel == 3 { 255 } else { level as u8 });
        }
    }
    Bitmap::new(width, height, layout, pixels).expect("the pixels fill the rows")
}

/// Mean and variance of the first samples of the pixels of columns.
pub(in crate::steps) fn spread(bitmap: &Bitmap, columns: std::ops::Range<usize>) -> (f64, f64) {
    let channels = bitmap.layout.channels();
    let levels: Vec<f64> =
        bitmap.rows().flat_map(|row| columns.clone().map(|column| f64::from(row[column * channels]))).collect();
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    (mean, levels.iter().map(|level| (level - mean).powi(2)).sum::<f64>() / levels.len() as f64)
}

#[test]
fn noise_goes_and_edges_stay() {
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        let noisy = noisy_edge(layout, 60, 40, 10);
        let clean = smoothed(noisy.clone(), 9.0);
        let ((before, noise), (after, rest)) = (spread(&noisy, 0..22), spread(&clean, 0..22));
        assert!((before - after).abs() < 1.0 && rest < noise / 10.0, "{layout:?} {noise} {rest}");
        let (left, right) = (spread(&clean, 29..30).0, spread(&clean, 30..31).0);
        assert!(right - left > 105.0, "{layout:?} {left} {right}");
        if layout == Layout::Rgba {
            assert!(clean.pixels.chunks_exact(4).all(|pixel| pixel[3] == 255));
        }
    }
}

#[test]
fn planes_and_details_beyond_the_noise_stay() {
    let sand = plane(9, 5, [200, 190, 3, 77]);
    let result = smoothed(sand.clone(), 20.0);
    assert!(result.pixels.iter().zip(&sand.pixels).all(|(one, other)| one.abs_diff(*other) <= 2));
    let checks: Vec<[u8; 4]> = (0..20 * 20).map(|place| [(place + place / 20) as u8 % 2 * 255, 0, 255, 255]).collect();
    let checks = rgba(20, &checks);
    assert_eq!(smoothed(checks.clone(), 4.0), checks);
    assert_eq!(smoothed(checks.clone(), 0.0), checks);
}

#[test]
fn noise_is_measured() {
    assert_eq!(noise(&plane(40, 40, [9])), 0.0);
    assert_eq!(noise(&plane(1, 1, [9])), 0.0);
    assert_eq!(noise(&noisy_edge(Layout::Rgb, 40, 40, 0)), 0.0, "an edge is no noise");
    for most in [5, 10, 20] {
        let deviation = f64::from(most) / 3.0_f64.sqrt();
        let measured = f64::from(noise(&noisy_edge(Layout::Rgb, 80, 80, most)));
        assert!((measured / deviation - 1.0).abs() < 0.2, "{measured} for {deviation}");
    }
}
