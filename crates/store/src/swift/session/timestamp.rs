//! The time stamps of identity services.

use std::time::{Duration, SystemTime};

/// Reads ISO 8601 as identity services write it: `2026-11-23T14:00:00`, then perhaps a fraction, then perhaps `Z` or an
/// offset such as `-06:00`. `None` for anything else.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let field = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if !marks.iter().all(|&(place, mark)| text.as_bytes().get(place) == Some(&mark)) {
        return None;
    }
    let days = days_since_1970(field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let seconds = days * 86_400 + field(11, 13)? * 3600 + field(14, 16)? * 60 + field(17, 19)?;
    let seconds = seconds - offset(text.get(19..)?)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds.try_into().ok()?))
}

/// Seconds east of Greenwich, from what follows the seconds.
fn offset(rest: &str) -> Option<i64> {
    let zone = rest.trim_start_matches(|character: char| character == '.' || character.is_ascii_digit());
    if matches!(zone, "" | "Z") {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    match zone.as_bytes()[0] {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// Days of the Gregorian calendar; years begin in March, so that the leap day is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (month * 153 + 2) / 5 + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        parse(text)?.duration_since(SystemTime::UNIX_EPOCH).ok().map(|time| time.as_secs())
    }

    #[test]
    fn the_spellings_of_identity_services_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-23T14:00:00.000000Z", 1_795_442_400),
            ("2026-11-23T14:00:00", 1_795_442_400),
            ("2026-11-23T08:00:00.123-06:00", 1_795_442_400),
            ("2026-11-23T19:30:00+05:30", 1_795_442_400),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_time() {
        for text in [
            "",
            "tomorrow",
            "2026-11-23",
            "2026-11-23T14:00:00 o'clock",
            "2026-11-23T14:00:00é",
            "1900-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
