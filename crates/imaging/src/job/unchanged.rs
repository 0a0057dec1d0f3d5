//! Results whose pixels are those of the source: the file as it is, or as little changed as can be.

use super::{Outcome, Settings, wishes::Wishes};
use crate::{
    Format, ImageError, Orientation,
    decode::{self, Opened},
    encode,
};

/// The file that answers without decoding; `None`: it has to be encoded anew.
pub(super) fn answer(
    bytes: &[u8],
    opened: &Opened<'_>,
    wishes: &Wishes,
    settings: &Settings,
) -> Result<Option<Outcome>, ImageError> {
    let format = opened.header.format;
    if format == Format::Svg && wishes.secure && matches!(wishes.asked, None | Some(Format::Svg)) {
        return decode::harmless_svg(bytes, &settings.limits).map(|bytes| Some(Outcome::of(format, bytes)));
    }
    let other_format = wishes.format(settings.negotiated).is_some_and(|asked| asked != format);
    // What was turned by its tag has to be turned for good when the tag goes.
    let loses_tag = wishes.strip && opened.metadata.orientation != Orientation::Upright;
    // A picture in other colours than sRGB keeps its profile, or is brought to sRGB.
    let recoded = wishes.progressive || wishes.cmyk || wishes.page > 1 || wishes.density.is_some();
    if other_format || loses_tag || recoded {
        return Ok(None);
    }
    if wishes.quality(opened.header.quality).is_some() && matches!(format, Format::Jpeg | Format::WebP) {
        return Ok(None);
    }
    let smaller = match format {
        Format::Jpeg if wishes.compress => encode::jpeg::repack(bytes, !wishes.strip)?,
        Format::Png if wishes.compress => encode::png::repack(bytes, !wishes.strip)?,
        Format::Jpeg if wishes.strip => encode::jpeg::strip(bytes)?,
        Format::Png if wishes.strip => encode::png::strip(bytes)?,
        Format::WebP if wishes.strip => encode::webp::strip(bytes)?,
        // The others can only be rid of their metadata by writing them anew; these three have next to none.
        _ if wishes.strip && !matches!(format, Format::Gif | Format::Bmp | Format::Ico) => return Ok(None),
        _ => bytes.to_vec(),
    };
    Ok(Some(Outcome::of(format, smaller)))
}

/// The source instead of a result that is no better: its pixels are the same, and it is not larger (spec 11 §7).
pub(super) fn if_not_larger(
    bytes: &[u8],
    wishes: &Wishes,
    result: Outcome,
    format: Format,
) -> Result<Outcome, ImageError> {
    let is_same_kind = result.media_type == format.names().0;
    if !is_same_kind || wishes.progressive || wishes.cmyk || result.bytes.len() < bytes.len() {
        return Ok(result);
    }
    let source = match format {
        Format::Jpeg if wishes.strip => encode::jpeg::strip(bytes)?,
        Format::WebP if wishes.strip => encode::webp::strip(bytes)?,
        Format::Jpeg | Format::WebP => bytes.to_vec(),
        _ => return Ok(result),
    };
    Ok(Outcome::of(format, source))
}
