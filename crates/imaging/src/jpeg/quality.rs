//! The quality that a JPEG file was written with.

/// The luminance table of T.81 section K.1 in the order of the file; encoders scale it by their quality.
const STANDARD: [u8; 64] = [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61,
    60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113,
    121, 112, 100, 120, 92, 101, 103, 99,
];

/// The quality 1–100 whose table is nearest to the first one of a DQT segment (T.81 section B.2.4.1), if that is the one for luminance.
pub(super) fn estimate(payload: &[u8]) -> Option<u8> {
    let (head, values) = payload.split_first()?;
    let steps: Vec<u32> = match head {
        0x00 => values.iter().take(64).map(|step| u32::from(*step)).collect(),
        0x10 => values.chunks_exact(2).take(64).map(|step| u32::from(u16::from_be_bytes([step[0], step[1]]))).collect(),
        _ => return None,
    };
    let distance = |quality: &u8| -> u32 {
        STANDARD.iter().zip(&steps).map(|(standard, step)| scaled(*standard, *quality).abs_diff(*step)).sum()
    };
    // Of two that are as near, the better one: it loses nothing.
    (steps.len() == 64).then(|| (1..=100).rev().min_by_key(distance))?
}

/// How libjpeg scales its tables.
fn scaled(standard: u8, quality: u8) -> u32 {
    let quality = u32::from(quality);
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    ((u32::from(standard) * percent + 50) / 100).clamp(1, 255)
}
