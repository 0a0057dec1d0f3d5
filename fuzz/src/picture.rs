//! Any bytes as a picture.

use stowage_imaging::{
    Limits,
    decode::{self, Wish},
};

/// Small, so that a lie about sizes costs nothing.
const LIMITS: Limits = Limits { max_pixels: 1 << 20, max_output_pixels: 1 << 20, max_frames: 50 };

/// Input: a file.
/// Whatever is given as a frame is as large as was said, and no larger than is allowed.
pub fn picture(data: &[u8]) {
    for wish in [Wish::default(), Wish { scaled_to: Some((2, 2)), still: true, ..Wish::default() }] {
        let Ok(mut opened) = decode::open(data, &wish, &LIMITS) else { return };
        let pixels = u64::from(opened.header.width) * u64::from(opened.header.height);
        assert!(pixels > 0 && pixels <= LIMITS.max_pixels);
        let mut sides = None;
        let mut frames = 0;
        while let Ok(Some(frame)) = opened.frames.next_frame() {
            let bitmap = frame.bitmap;
            let size = bitmap.width as usize * bitmap.height as usize * bitmap.layout.channels();
            assert_eq!(bitmap.pixels.len(), size);
            assert_eq!(*sides.get_or_insert((bitmap.width, bitmap.height)), (bitmap.width, bitmap.height));
            frames += 1;
        }
        assert!(frames <= LIMITS.max_frames);
    }
}
