//! PNG and APNG. Gamma and chromaticities of files without a profile are not applied: browsers ignore them too, where they differ from sRGB
//! only by a careless encoder.

mod outline;
mod rows;
mod shrink;
#[cfg(test)]
mod tests;

use std::time::Duration;

use png::{BlendOp, DisposeOp, FrameControl};

use self::outline::Outline;
use self::rows::Rows;
use self::shrink::Shrink;
use super::canvas::{Canvas, Disposal, Rectangle, part, shown_for};
use super::{FrameReader, Header, Opened, Wish, still};
use crate::{Bitmap, Frame, ImageError, Layout, Limits, Region};

/// What the chunks say, without decoding.
pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    Outline::read(bytes)?.header(limits)
}

/// Pictures of more than 16 MB that will be scaled down by more than spare are averaged in blocks while rows come. Where a side is no multiple of
/// the block, [`Opened::shows`] ends a few pixels outside of the picture.
pub(crate) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    let outline = Outline::read(bytes)?;
    let header = outline.header(limits)?;
    let frames = if wish.still { 1 } else { header.frames };
    if frames > limits.max_frames
        || (u64::from(header.width) * u64::from(header.height)).saturating_mul(u64::from(frames)) > limits.max_pixels
    {
        return Err(ImageError::TooLarge(format!("{frames} frames of {}x{} pixels", header.width, header.height)));
    }
    let rows = still::guarded(|| Rows::open(bytes, &outline))?;
    let part = part(wish.region, header.width, header.height);
    let factor = if outline.frames.is_some() { 1 } else { shrink::factor(wish, part, rows.layout()) };
    let shown = |side: usize| (side.div_ceil(factor) * factor) as f64;
    let shows = Region { x: part.x as f64, y: part.y as f64, width: shown(part.width), height: shown(part.height) };
    let frames: Box<dyn FrameReader + 'a> = if outline.frames.is_some() {
        let canvas = Canvas::new(header.width, header.height);
        let mut animation = Animation { rows, canvas, part, first: true, still: frames == 1 };
        still::several(frames, move || animation.draw())
    } else {
        Box::new(Picture(Some(Still {
            rows,
            width: header.width as usize,
            height: header.height as usize,
            part,
            factor,
        })))
    };
    Ok(Opened { metadata: outline.metadata(), loops: outline.loops, header, shows, frames })
}

struct Picture<'a>(Option<Still<'a>>);

impl FrameReader for Picture<'_> {
    fn next_frame(&mut self) -> Result<Option<Frame>, ImageError> {
        let Some(picture) = self.0.take() else { return Ok(None) };
        Ok(Some(Frame { bitmap: still::guarded(|| picture.decode())?, delay: Duration::ZERO }))
    }
}

struct Still<'a> {
    rows: Rows<'a>,
    width: usize,
    height: usize,
    part: Rectangle,
    /// Side of the blocks that are averaged.
    factor: usize,
}

impl Still<'_> {
    fn decode(self) -> Result<Bitmap, ImageError> {
        let Self { mut rows, width, height, part, factor } = self;
        let layout = rows.layout();
        let stride = width * layout.channels();
        let whole = part.width == width && part.height == height;
        let pixels = if rows.interlaced() {
            let pixels = interlaced(&mut rows, width, height)?;
            if whole && factor == 1 { pixels } else { averaged(part, factor, layout, pixels.chunks_exact(stride)) }
        } else if whole && factor == 1 {
            let mut pixels = vec![0; stride * height];
            pixels.chunks_exact_mut(stride).try_for_each(|row| rows.read(row).map(drop))?;
            pixels
        } else {
            streamed(&mut rows, part, factor, stride)?
        };
        let side = |side: usize| side.div_ceil(factor) as u32;
        Bitmap::new(side(part.width), side(part.height), layout, pixels)
            .ok_or_else(|| ImageError::Broken("rows are missing".to_owned()))
    }
}

/// All rows of the frame that comes, in their places.
fn interlaced(rows: &mut Rows<'_>, width: usize, height: usize) -> Result<Vec<u8>, ImageError> {
    let channels = rows.layout().channels();
    let stride = width * channels;
    let mut pixels = vec![0; stride * height];
    let mut line = vec![0; stride];
    while let Some(place) = rows.next(&mut line)? {
        if let png::InterlaceInfo::Adam7(place) = place {
            png::expand_interlaced_row(&mut pixels, stride, &line, &place, channels as u8 * 8);
        }
    }
    Ok(pixels)
}

/// A part of rows that lie in memory.
fn averaged<'r>(part: Rectangle, factor: usize, layout: Layout, rows: impl Iterator<Item = &'r [u8]>) -> Vec<u8> {
    let mut shrink = Shrink::new(factor, layout, part);
    for row in rows.skip(part.y).take(part.height) {
        shrink.push(&row[part.x * layout.channels()..][..part.width * layout.channels()]);
    }
    shrink.finish()
}

/// A part of rows while they come; what follows the part is not looked at.
fn streamed(rows: &mut Rows<'_>, part: Rectangle, factor: usize, stride: usize) -> Result<Vec<u8>, ImageError> {
    let layout = rows.layout();
    let mut shrink = Shrink::new(factor, layout, part);
    let mut line = vec![0; stride];
    for row in 0..part.y + part.height {
        rows.read(&mut line)?;
        if row >= part.y {
            shrink.push(&line[part.x * layout.channels()..][..part.width * layout.channels()]);
        }
    }
    Ok(shrink.finish())
}

/// Frames drawn over each other.
struct Animation<'a> {
    rows: Rows<'a>,
    canvas: Canvas,
    part: Rectangle,
    first: bool,
    /// Only one frame will be given.
    still: bool,
}

impl Animation<'_> {
    fn draw(&mut self) -> Result<Frame, ImageError> {
        // A picture without control data before it is for those who know no animation.
        let first = std::mem::take(&mut self.first);
        if !first || self.rows.control().is_none() {
            self.rows.next_frame()?;
        }
        let control =
            self.rows.control().ok_or_else(|| ImageError::Broken("a frame without control data".to_owned()))?;
        let (width, height) = (control.width as usize, control.height as usize);
        let covers = Rectangle { x: control.x_offset as usize, y: control.y_offset as usize, width, height };
        let disposal = match control.dispose_op {
            DisposeOp::None => Disposal::Keep,
            // There is nothing before the first frame.
            DisposeOp::Previous if !first => Disposal::Restore,
            DisposeOp::Background | DisposeOp::Previous => Disposal::Clear,
        };
        if self.canvas.begin(covers, disposal) != covers {
            return Err(ImageError::Broken("a frame outside of the canvas".to_owned()));
        }
        if self.rows.interlaced() {
            let pixels = interlaced(&mut self.rows, width, height)?;
            pixels
                .chunks_exact(width * 4)
                .enumerate()
                .for_each(|(row, line)| blend(self.canvas.row(row), line, control.blend_op));
        } else {
            let mut line = vec![0; width * 4];
            for row in 0..height {
                self.rows.read(&mut line)?;
                blend(self.canvas.row(row), &line, control.blend_op);
            }
        }
        self.canvas.shown(self.part, if self.still { Duration::ZERO } else { delay(&control) })
    }
}

fn blend(below: &mut [u8], above: &[u8], blend: BlendOp) {
    match blend {
        BlendOp::Source => below.copy_from_slice(above),
        BlendOp::Over => {
            below.chunks_exact_mut(4).zip(above.chunks_exact(4)).for_each(|(below, above)| over(below, above))
        }
    }
}

/// Porter-Duff `over` of pixels that are not premultiplied (PNG third edition §13.16).
fn over(below: &mut [u8], above: &[u8]) {
    match above[3] {
        u8::MAX => below.copy_from_slice(above),
        0 => {}
        opacity => {
            let front = u32::from(opacity) * 255;
            let back = u32::from(below[3]) * u32::from(u8::MAX - opacity);
            let sum = front + back;
            for channel in 0..3 {
                let mixed = u32::from(above[channel]) * front + u32::from(below[channel]) * back;
                below[channel] = ((mixed + sum / 2) / sum) as u8;
            }
            below[3] = ((sum + 127) / 255) as u8;
        }
    }
}

fn delay(control: &FrameControl) -> Duration {
    let denominator = if control.delay_den == 0 { 100 } else { control.delay_den };
    shown_for(Duration::from_millis(u64::from(control.delay_num) * 1000 / u64::from(denominator)))
}
