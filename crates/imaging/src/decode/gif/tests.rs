use std::borrow::Cow;

use gif::{DisposalMethod, Encoder, Frame as Stored};
use proptest::prelude::*;

use super::{header, open};
use crate::decode::Wish;
use crate::{Frame, ImageError, Limits};

const PALETTE: [u8; 9] = [255, 0, 0, 0, 255, 0, 0, 0, 255];

fn stored(left: u16, width: u16, index: u8, dispose: DisposalMethod, delay: u16) -> Stored<'static> {
    let buffer = Cow::Owned(vec![index; usize::from(width)]);
    Stored { left, width, height: 1, buffer, dispose, delay, transparent: Some(2), ..Stored::default() }
}

fn sample() -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), 3, 1, &PALETTE).expect("a header");
    for frame in [
        stored(0, 3, 0, DisposalMethod::Keep, 0),
        stored(1, 1, 1, DisposalMethod::Previous, 1),
        stored(2, 9, 1, DisposalMethod::Background, 2),
        stored(0, 1, 2, DisposalMethod::Any, 50),
    ] {
        encoder.write_frame(&frame).expect("a frame");
    }
    encoder.into_inner().expect("an end")
}

fn frames(bytes: &[u8]) -> Result<Vec<Frame>, ImageError> {
    let mut opened = open(bytes, &Wish::default(), &Limits { max_pixels: 100_000, ..Limits::default() })?;
    std::iter::from_fn(|| opened.frames.next_frame().transpose()).collect()
}

#[test]
fn frames_are_drawn_over_each_other_and_cut_at_the_canvas() {
    const RED: [u8; 4] = [255, 0, 0, 255];
    const GREEN: [u8; 4] = [0, 255, 0, 255];
    let bytes = sample();
    let shown = frames(&bytes).expect("a good file");
    let pixels: Vec<_> = shown.iter().map(|frame| frame.bitmap.clone().into_rgba().pixels).collect();
    assert_eq!(
        pixels,
        [[RED, RED, RED].concat(), [RED, GREEN, RED].concat(), [RED, RED, GREEN].concat(), [RED, RED, [0; 4]].concat()]
    );
    assert_eq!(shown.iter().map(|frame| frame.delay.as_millis()).collect::<Vec<_>>(), [100, 100, 20, 500]);
    assert_eq!(header(&bytes, &Limits::default()).expect("a header").frames, 4);
    assert_eq!(frames(&bytes[..bytes.len() - 1]).expect("all frames are there").len(), 4);
    assert!(frames(&bytes[..bytes.len() - 3]).is_err(), "half a frame is none");
}

#[test]
fn bombs_are_refused() {
    let mut bomb = b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\0\0\0".to_vec();
    bomb.extend(b"\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\0\x3b");
    assert!(matches!(open(&bomb, &Wish::default(), &Limits::default()), Err(ImageError::TooLarge(_))));
    let few = Limits { max_frames: 3, ..Limits::default() };
    assert!(matches!(open(&sample(), &Wish::default(), &few), Err(ImageError::TooLarge(_))));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(places in prop::collection::vec((0usize..200, any::<u8>()), 0..6)) {
        let mut bytes = sample();
        for (place, value) in places {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        let _shown = frames(&bytes);
    }
}
