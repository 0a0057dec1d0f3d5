//! SVG: a frame that shows a JPEG or PNG.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Encoding, FrameWriter};
use crate::{Format, Frame, ImageError, Metadata};

struct Writer {
    encoding: Encoding,
    metadata: Metadata,
    file: Option<Vec<u8>>,
}

#[expect(clippy::unnecessary_wraps, reason = "all formats are asked in the same way")]
pub(super) fn writer(encoding: &Encoding, metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    let encoding = Encoding { cmyk: false, animated: false, ..*encoding };
    Ok(Box::new(Writer { encoding, metadata: metadata.clone(), file: None }))
}

impl FrameWriter for Writer {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        if self.file.is_some() {
            return Err(ImageError::Unsupported("SVG with several frames".to_owned()));
        }
        let (width, height) = (frame.bitmap.width, frame.bitmap.height);
        let (format, name) =
            if frame.bitmap.has_transparency() { (Format::Png, "png") } else { (Format::Jpeg, "jpeg") };
        let mut inside = super::writer(&Encoding { format, ..self.encoding }, &self.metadata)?;
        inside.write(frame)?;
        let mut file = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{width}" height="{height}" viewBox="0 0 {width} {height}"><image width="{width}" height="{height}" xlink:href="data:image/{name};base64,"#
        );
        STANDARD.encode_string(inside.finish()?, &mut file);
        file.push_str("\"/></svg>\n");
        self.file = Some(file.into_bytes());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        self.file.ok_or_else(|| ImageError::Unsupported("an SVG without picture".to_owned()))
    }
}

#[cfg(test)]
mod tests;
