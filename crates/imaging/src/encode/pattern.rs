//! A picture that tests of encoders write.

use std::time::Duration;

use crate::{Bitmap, Frame, Layout};

pub(super) fn picture(layout: Layout) -> Bitmap {
    let samples = 21 * 13 * layout.channels();
    Bitmap::new(21, 13, layout, (0..samples).map(|at| (at * 7 % 251) as u8).collect())
        .expect("as many samples as it has")
}

pub(super) fn frame(layout: Layout) -> Frame {
    Frame { bitmap: picture(layout), delay: Duration::ZERO }
}
