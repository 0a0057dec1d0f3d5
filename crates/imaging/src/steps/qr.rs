//! `qr`: a text as a code that phones read (spec 11 §10).

use std::time::Duration;

use qrcode::{EcLevel, QrCode, Version, render::svg};
use stowage_core::tasks::Task;

use super::values;
use crate::{
    Bitmap, Format, Frame, ImageError, Layout, Metadata, Outcome, Region,
    decode::{FrameReader, Header, Opened},
};

/// Side of a module, pixels.
const MODULE: u32 = 8;

/// Modules of white around the code, as the standard asks for.
const QUIET: u32 = 4;

/// The code of a text as a picture. It is PNG unless the task says `jpg`.
///
/// # Errors
/// No text, or too much of it for the version and correction that are asked for.
pub(crate) fn open<'a>(task: &Task, text: &[u8]) -> Result<Opened<'a>, ImageError> {
    let bitmap = drawn(&code(task, text)?);
    let format = if values::word(task, "format") == "jpg" { Format::Jpeg } else { Format::Png };
    let (width, height) = (bitmap.width, bitmap.height);
    Ok(Opened {
        header: Header { format, width, height, frames: 1, alpha: false, quality: None, progressive: false },
        metadata: Metadata::default(),
        loops: 0,
        shows: Region::whole(width, height),
        frames: Box::new(Single(Some(bitmap))),
    })
}

/// The code as a drawing, if the task asks for one.
///
/// # Errors
/// As [`open`].
pub(crate) fn drawing(task: &Task, text: &[u8]) -> Result<Option<Outcome>, ImageError> {
    if values::word(task, "format") != "svg" {
        return Ok(None);
    }
    let drawing = code(task, text)?.render::<svg::Color<'_>>().module_dimensions(MODULE, MODULE).build();
    let (media_type, extension) = Format::Svg.names();
    Ok(Some(Outcome { bytes: drawing.into_bytes(), media_type, extension }))
}

fn code(task: &Task, text: &[u8]) -> Result<QrCode, ImageError> {
    let level = match values::word(task, "error_correction") {
        "l" => EcLevel::L,
        "q" => EcLevel::Q,
        "h" => EcLevel::H,
        _ => EcLevel::M,
    };
    let version = values::pixels(task, "version").and_then(|version| i16::try_from(version).ok());
    let code = match version {
        Some(version) => QrCode::with_version(text, Version::Normal(version), level),
        None => QrCode::with_error_correction_level(text, level),
    };
    code.map_err(|_| ImageError::Unsupported("the text is too long for such a QR code".to_owned()))
}

fn drawn(code: &QrCode) -> Bitmap {
    let modules = code.width();
    let colours = code.to_colors();
    let quiet = QUIET as usize;
    let side = (modules + 2 * quiet) * MODULE as usize;
    let mut pixels = Vec::with_capacity(side * side);
    for row in 0..modules + 2 * quiet {
        let line: Vec<u8> = (0..modules + 2 * quiet)
            .flat_map(|column| {
                let inside = (quiet..quiet + modules).contains(&row) && (quiet..quiet + modules).contains(&column);
                let dark = inside && colours[(row - quiet) * modules + column - quiet] == qrcode::Color::Dark;
                [if dark { 0 } else { u8::MAX }; MODULE as usize]
            })
            .collect();
        (0..MODULE).for_each(|_| pixels.extend_from_slice(&line));
    }
    Bitmap { width: side as u32, height: side as u32, layout: Layout::Gray, pixels }
}

struct Single(Option<Bitmap>);

impl FrameReader for Single {
    fn next_frame(&mut self) -> Result<Option<Frame>, ImageError> {
        Ok(self.0.take().map(|bitmap| Frame { bitmap, delay: Duration::ZERO }))
    }
}
