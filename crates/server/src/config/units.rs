//! Sizes and durations: a number and a unit.

use std::time::Duration;

use toml::Value;

const SECOND: u64 = 1000;
const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400 * SECOND), ("h", 3600 * SECOND), ("m", 60 * SECOND), ("s", SECOND), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("kB", 1000),
    ("B", 1),
];
/// Largest value TOML and SQLite can hold.
const MAX_NUMBER: u64 = i64::MAX as u64;
/// Ten years, in milliseconds: far from where adding a duration to a clock overflows.
const MAX_DURATION: u64 = 3650 * 86_400 * SECOND;

/// Reads seconds (`30`) or a number with a unit: `250ms`, `30s`, `5m`, `1h`, `2d`. Error: what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    scaled(text, &DURATION_UNITS, SECOND)
        .filter(|milliseconds| *milliseconds <= MAX_DURATION)
        .map(Duration::from_millis)
        .ok_or_else(|| {
            format!(
                "`{text}` is not a duration of at most ten years; write seconds or a unit, such as 30, 30s, 5m or 1h"
            )
        })
}

/// Reads bytes (`1048576`) or a number with a unit: `64KiB`, `100MB`, `5GiB`. Error: what is wrong.
pub fn parse_size(text: &str) -> Result<u64, String> {
    scaled(text, &SIZE_UNITS, 1)
        .ok_or_else(|| format!("`{text}` is not a size; write bytes or a unit, such as 1048576, 100MB or 5GiB"))
}

fn scaled(text: &str, units: &[(&str, u64)], plain: u64) -> Option<u64> {
    let unit_at = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let factor = match unit.trim_start() {
        "" if unit.is_empty() => plain,
        unit => units.iter().find(|(name, _)| *name == unit)?.1,
    };
    let value = digits.parse::<u64>().ok()?.checked_mul(factor)?;
    (value <= MAX_NUMBER).then_some(value)
}

/// In the largest unit that leaves no remainder.
pub(super) fn show_duration(value: Duration) -> Value {
    let milliseconds = u64::try_from(value.as_millis()).unwrap_or(MAX_NUMBER);
    show_scaled(milliseconds, &DURATION_UNITS).unwrap_or_else(|| Value::from("0s"))
}

/// In powers of 1024, or plain.
pub(super) fn show_size(bytes: u64) -> Value {
    let binary = &SIZE_UNITS[..4];
    show_scaled(bytes, binary)
        .unwrap_or_else(|| i64::try_from(bytes).map_or_else(|_| Value::String(bytes.to_string()), Value::Integer))
}

/// In the largest unit that leaves no remainder.
fn show_scaled(value: u64, units: &[(&str, u64)]) -> Option<Value> {
    if value == 0 {
        return None;
    }
    units
        .iter()
        .find(|(_, factor)| value.is_multiple_of(*factor))
        .map(|(unit, factor)| Value::String(format!("{}{unit}", value / factor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_bytes_and_both_families_of_units() {
        assert_eq!(parse_size("1048576"), Ok(1 << 20));
        assert_eq!(parse_size("5GiB"), Ok(5 << 30));
        assert_eq!(parse_size("5 GiB"), Ok(5 << 30));
        assert_eq!(parse_size("100MB"), Ok(100_000_000));
        for wrong in ["", "GiB", "-1", "5 gigs", "1.5GiB", "99999999TiB", "5 ", "+5"] {
            assert!(parse_size(wrong).is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn durations_read_seconds_and_units() {
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        assert!(parse_duration("1 week").is_err());
        assert!(parse_duration("3651d").is_err());
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn shown_values_read_back() {
        for bytes in [0, 1, 1023, 1024, 1536, 5 << 40] {
            let shown = show_size(bytes);
            let text = shown.as_str().map_or_else(|| shown.to_string(), str::to_owned);
            assert_eq!(parse_size(&text), Ok(bytes));
        }
        for milliseconds in [0, 1, 1500, 30_000, 86_400_000] {
            let duration = Duration::from_millis(milliseconds);
            let shown = show_duration(duration);
            assert_eq!(parse_duration(shown.as_str().expect("text")), Ok(duration));
        }
    }
}
