//! Values of tags as JSON.

use exif::Tag;
use serde_json::{Number, Value};

use super::tiff::{Entry, Order, unit_bytes};

/// Longest text.
const MAX_TEXT_BYTES: usize = 4096;
/// Opaque bytes are shown in hexadecimal; longer ones are of no use to anybody.
const MAX_OPAQUE_BYTES: usize = 256;

/// Texts as strings, numbers as numbers (several as an array), opaque bytes as the text that their tag gives them. `None` if there is nothing to show.
pub(super) fn json(entry: &Entry<'_>) -> Option<Value> {
    match entry.kind {
        2 => Some(Value::String(text(entry.bytes))),
        7 => opaque(entry).map(Value::String),
        kind => numbers(kind, entry),
    }
}

/// Parts that NUL separates, such as photographer and editor, in one line.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    limited(text.trim_end_matches('\0').replace('\0', "; "))
}

fn limited(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

fn opaque(entry: &Entry<'_>) -> Option<String> {
    if matches!(entry.tag, Tag::UserComment | Tag::GPSProcessingMethod | Tag::GPSAreaInformation) {
        let (code, rest) = entry.bytes.split_first_chunk::<8>()?;
        return Some(if code == b"UNICODE\0" { wide_text(rest, entry.order) } else { text(rest) });
    }
    if entry.bytes.len() > MAX_OPAQUE_BYTES {
        return None;
    }
    let value = exif::Value::Undefined(entry.bytes.to_vec(), 0);
    Some(limited(value.display_as(entry.tag).to_string()))
}

fn wide_text(bytes: &[u8], order: Order) -> String {
    let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| order.u16(*pair)).collect();
    let text = String::from_utf16_lossy(&units);
    limited(text.trim_end_matches('\0').to_owned())
}

fn numbers(kind: u16, entry: &Entry<'_>) -> Option<Value> {
    let units = entry.bytes.chunks_exact(unit_bytes(kind)?);
    let mut values = units.map(|unit| number(kind, unit, entry.order)).collect::<Option<Vec<_>>>()?;
    match values.len() {
        0 => None,
        1 => values.pop(),
        _ => Some(Value::Array(values)),
    }
}

fn number(kind: u16, unit: &[u8], order: Order) -> Option<Value> {
    let two = || unit.first_chunk().map(|bytes| order.u16(*bytes));
    let four = || unit.first_chunk().map(|bytes| order.u32(*bytes));
    let eight = || unit.first_chunk().map(|bytes| order.u64(*bytes));
    let pair = || {
        let (first, second) = unit.split_first_chunk::<4>()?;
        Some((order.u32(*first), order.u32(*second.first_chunk()?)))
    };
    Some(match kind {
        1 => (*unit.first()?).into(),
        3 => two()?.into(),
        4 | 13 => four()?.into(),
        5 => {
            let (numerator, denominator) = pair()?;
            fraction(numerator.into(), denominator.into())
        }
        6 => unit.first()?.cast_signed().into(),
        8 => two()?.cast_signed().into(),
        9 => four()?.cast_signed().into(),
        10 => {
            let (numerator, denominator) = pair()?;
            fraction(numerator.cast_signed().into(), denominator.cast_signed().into())
        }
        11 => decimal(f32::from_bits(four()?).into()),
        12 => decimal(f64::from_bits(eight()?)),
        _ => return None,
    })
}

/// Whole numbers stay whole; what is no number, such as an unknown distance of 1/0, is a text.
fn fraction(numerator: i64, denominator: i64) -> Value {
    match numerator.checked_rem(denominator) {
        None => Value::String(format!("{numerator}/{denominator}")),
        Some(0) => (numerator / denominator).into(),
        Some(_) => decimal(numerator as f64 / denominator as f64),
    }
}

fn decimal(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}
