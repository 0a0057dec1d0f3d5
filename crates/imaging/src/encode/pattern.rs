//! A picture that tests of encoders write.

use std::time::Duration;

use super::Encoding;
use crate::{Bitmap, Format, Frame, Layout};

pub(super) fn picture(layout: Layout) -> Bitmap {
    let samples = 21 * 13 * layout.channels();
    Bitmap::new(21, 13, layout, (0..samples).map(|at| (at * 7 % 251) as u8).collect())
        .expect("as many samples as it has")
}

pub(super) fn frame(layout: Layout) -> Frame {
    Frame { bitmap: picture(layout), delay: Duration::ZERO }
}

pub(super) fn encoding(format: Format) -> Encoding {
    Encoding {
        format,
        quality: None,
        progressive: false,
        smallest: false,
        fast: false,
        cmyk: false,
        density: None,
        ground: [255; 3],
        animated: false,
        loops: 0,
    }
}
