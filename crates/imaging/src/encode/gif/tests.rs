use std::time::Duration;

use super::writer;
use crate::decode::{self, Wish};
use crate::encode::Encoding;
use crate::{Bitmap, Format, Frame, ImageError, Layout, Limits, Metadata};

const MOVING: Encoding = Encoding { animated: true, loops: 5, ..Encoding::plain(Format::Gif) };

fn written(encoding: &Encoding, frames: &[Frame]) -> Result<Vec<u8>, ImageError> {
    let mut writer = writer(encoding, &Metadata::default())?;
    frames.iter().try_for_each(|frame| writer.write(frame.clone()))?;
    writer.finish()
}

fn read(bytes: &[u8]) -> (Vec<Frame>, u16) {
    let mut opened = decode::gif::open(bytes, &Wish::default(), &Limits::default()).expect("a good file");
    let frames = std::iter::from_fn(|| opened.frames.next_frame().expect("a good frame")).collect();
    (frames, opened.loops)
}

fn bitmap(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Bitmap {
    let pixels = (0..width * height).flat_map(|nth| pixel(nth % width, nth / width)).collect();
    Bitmap::new(width, height, Layout::Rgba, pixels).expect("sides that fit")
}

#[test]
fn few_colours_come_back_exactly_with_delays_and_loops() {
    let colourful = |x: u32, y: u32| [(x * 16) as u8, (y * 16) as u8, 9, 255];
    let dot = move |x: u32, y: u32| if (x, y) == (3, 4) { [1, 2, 3, 255] } else { colourful(x, y) };
    let hole = move |x: u32, y: u32| if x < 5 { [0; 4] } else { colourful(x, y) };
    let pictures = [
        bitmap(16, 15, colourful),
        bitmap(16, 15, dot),
        bitmap(16, 15, dot),
        bitmap(16, 15, hole),
        bitmap(16, 15, colourful),
    ];
    let frames: Vec<Frame> = pictures
        .into_iter()
        .enumerate()
        .map(|(nth, bitmap)| Frame { bitmap, delay: Duration::from_millis(20 + 30 * nth as u64) })
        .collect();
    for (progressive, loops) in [(false, 5), (true, 0), (false, 1)] {
        let (shown, times) = read(&written(&Encoding { progressive, loops, ..MOVING }, &frames).expect("a file"));
        assert_eq!((shown.len(), times), (5, loops));
        for (shown, frame) in shown.into_iter().zip(&frames) {
            assert_eq!((shown.bitmap.into_rgba(), shown.delay), (frame.bitmap.clone(), frame.delay));
        }
    }
    let two = written(&Encoding { animated: false, ..MOVING }, &frames[..2]);
    assert!(matches!(two, Err(ImageError::Unsupported(_))));
}

#[test]
fn many_colours_stay_close_and_transparent_pixels_stay_transparent() {
    let picture = bitmap(64, 64, |x, y| {
        if x + y < 20 { [9, 9, 9, 40] } else { [(x * 4) as u8, (y * 4) as u8, (x * y / 16) as u8, 255] }
    });
    for fast in [true, false] {
        let (shown, _) = read(
            &written(
                &Encoding { fast, animated: false, ..MOVING },
                &[Frame { bitmap: picture.clone(), delay: Duration::ZERO }],
            )
            .expect("a file"),
        );
        let pairs: Vec<_> = shown[0].bitmap.pixels.chunks_exact(4).zip(picture.pixels.chunks_exact(4)).collect();
        assert!(pairs.iter().all(|(got, wanted)| got[3] == if wanted[3] < 128 { 0 } else { 255 }));
        let difference: u32 = pairs
            .iter()
            .filter(|(got, _)| got[3] > 0)
            .flat_map(|(got, wanted)| (0..3).map(|channel| u32::from(got[channel].abs_diff(wanted[channel]))))
            .sum();
        assert!(difference < 64 * 64 * 3 * 12, "off by {difference}");
    }
}
