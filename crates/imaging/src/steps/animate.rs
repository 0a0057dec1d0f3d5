//! `animate`: a list of pictures becomes the frames of one (spec 11 §5.3).

use std::{slice, time::Duration};

use stowage_core::tasks::{End, Place, Task, Value};

use super::{
    Bounds,
    alpha::{canvas, lay},
    geometry::{fitted, placed},
    overlay, values,
};
use crate::{
    Format, Frame, ImageError, Limits, Metadata, Region,
    decode::{self, FrameReader, Header, Opened, Wish},
};

struct Frames<'a> {
    rest: slice::Iter<'a, &'a [u8]>,
    width: u32,
    height: u32,
    fit: &'static str,
    place: Place,
    ground: [u8; 4],
    delay: Duration,
    limits: Limits,
    bounds: Bounds,
}

/// The sources as one animation.
///
/// # Errors
/// Sources that cannot be read, frames that are too large or too many.
pub(crate) fn open<'a>(
    task: &Task,
    sources: &'a [&'a [u8]],
    limits: &Limits,
    bounds: Bounds,
) -> Result<Opened<'a>, ImageError> {
    let frames = u32::try_from(sources.len()).unwrap_or(u32::MAX);
    if frames > limits.max_frames {
        return Err(ImageError::TooLarge(format!("{frames} frames")));
    }
    let (width, height) = sides(task, sources, limits)?;
    bounds.check(width, height)?;
    if u64::from(width) * u64::from(height) * u64::from(frames) > limits.max_pixels {
        return Err(ImageError::OutputTooLarge);
    }
    let place = match task.value("align") {
        Some(Value::Place(place @ Place::At { .. })) => place,
        // Each frame would be cut differently; the picture would jump.
        _ => Place::At { vertical: End::Middle, horizontal: End::Middle },
    };
    let number = |name| values::number(task, name);
    let header = Header { format: Format::Gif, width, height, frames, alpha: true, quality: None, progressive: false };
    let reader = Frames {
        rest: sources.iter(),
        width,
        height,
        fit: values::word(task, "fit"),
        place,
        ground: values::colour(task, "background").unwrap_or([0; 4]),
        delay: Duration::from_millis(number("delay") as u64),
        limits: *limits,
        bounds,
    };
    Ok(Opened {
        header,
        metadata: Metadata::default(),
        loops: number("loop") as u16,
        shows: Region::whole(width, height),
        frames: Box::new(reader),
    })
}

/// Sides of the frames: as asked, `max` for the largest of the sources, and else as the first source.
fn sides(task: &Task, sources: &[&[u8]], limits: &Limits) -> Result<(u32, u32), ImageError> {
    let wish = Wish { still: true, ..Wish::default() };
    let mut all = Vec::with_capacity(sources.len());
    for source in sources {
        let opened = decode::open(source, &wish, limits)?;
        let (width, height) = (opened.header.width, opened.header.height);
        let is_turned = opened.metadata.orientation.upright().0 % 2 == 1;
        all.push(if is_turned { (height, width) } else { (width, height) });
    }
    let first = *all.first().ok_or(ImageError::UnsupportedInput)?;
    let side = |name: &str, largest: Option<u32>| match task.value(name) {
        Some(Value::Word(_)) => largest,
        _ => values::pixels(task, name),
    };
    let width = side("width", all.iter().map(|sides| sides.0).max());
    let height = side("height", all.iter().map(|sides| sides.1).max());
    Ok(match (width, height) {
        (None, None) => first,
        (Some(width), Some(height)) => (width, height),
        wanted => {
            let middle = Place::At { vertical: End::Middle, horizontal: End::Middle };
            fitted("clip", first, wanted, middle, None).map_or(first, |placement| (placement.width, placement.height))
        }
    })
}

impl FrameReader for Frames<'_> {
    fn next_frame(&mut self) -> Result<Option<Frame>, ImageError> {
        let Some(source) = self.rest.next() else { return Ok(None) };
        let picture = overlay::read(source, Some((self.width, self.height)), true, &self.limits)?;
        let wanted = (Some(self.width), Some(self.height));
        let placement = fitted(self.fit, (picture.width, picture.height), wanted, self.place, None)
            .ok_or(ImageError::OutputTooLarge)?;
        let picture = placed(picture, placement, self.bounds, false)?;
        let mut bitmap = canvas(self.width, self.height, self.ground);
        let (left, top) = self.offset(picture.width, picture.height);
        lay(&mut bitmap, &picture, left, top);
        Ok(Some(Frame { bitmap, delay: self.delay }))
    }
}

impl Frames<'_> {
    fn offset(&self, width: u32, height: u32) -> (u32, u32) {
        let Place::At { vertical, horizontal } = self.place else { return (0, 0) };
        let along = |free: u32, end: End| match end {
            End::Start => 0,
            End::Middle => free / 2,
            End::Far => free,
        };
        (along(self.width.saturating_sub(width), horizontal), along(self.height.saturating_sub(height), vertical))
    }
}
