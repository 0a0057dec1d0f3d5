//! The kinds of values, and how a written value becomes a typed one (spec 10 §2.2).

use super::{
    colour::Colour,
    place::Place,
    value::{Area, PageRange, Value},
};
use crate::delivery::Value as Written;

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A whole number; `30.0` is one.
    Integer { min: i64, max: i64 },
    /// A length in pixels; fractions are rounded (spec 11 §0).
    Pixels { min: i64, max: i64 },
    /// Any number of the range.
    Number { min: f64, max: f64 },
    /// As `Number`, but what lies outside is moved to the nearer end (spec 11 §0).
    Strength { min: f64, max: f64 },
    /// `true`, `false`, `1`, `0`, or the name alone.
    Boolean,
    /// A name that stands alone.
    Flag,
    /// One of these, in any case.
    Word(&'static [&'static str]),
    /// Anything.
    Text,
    /// Anything of at most so many characters.
    ShortText { max: usize },
    /// Spec 10 §4.
    Colour,
    /// A place in a picture.
    Place { faces: bool },
    /// `[x,y,width,height]`, none of them larger.
    Area { max: i64 },
    /// Pages of a document.
    Pages,
    /// `hh`, `hh:mm` or `hh:mm:ss`.
    Clock,
    /// Between `min` and `max` values; one alone needs no brackets.
    List { of: &'static Kind, min: usize, max: usize },
    /// The first that fits.
    Either(&'static [Kind]),
}

/// Words with a second spelling.
const SYNONYMS: [(&str, &str); 3] = [("jpeg", "jpg"), ("tif", "tiff"), ("mp4", "h264")];

/// Most ranges of pages, as any list is bounded.
const MAX_PAGE_RANGES: usize = 1000;

impl Kind {
    /// The typed value; `None` if it is not one of this kind.
    pub(super) fn read(&self, written: &Written) -> Option<Value> {
        match *self {
            Self::List { of, min, max } => return list(written, of, min, max),
            Self::Either(kinds) => return kinds.iter().find_map(|kind| kind.read(written)),
            Self::Place { faces } => return place(written, faces),
            Self::Area { max } => return area(written, max),
            Self::Pages => return pages(written),
            _ => {}
        }
        match written {
            // A list with one member stands for that member.
            Written::List(members) => match members.as_slice() {
                [member] => self.read(member),
                _ => None,
            },
            Written::Flag => matches!(self, Self::Boolean | Self::Flag).then_some(Value::Boolean(true)),
            Written::Text(text) => self.read_text(text),
        }
    }

    fn read_text(&self, text: &str) -> Option<Value> {
        match *self {
            Self::Integer { min, max } => whole(text).filter(|number| (min..=max).contains(number)).map(Value::Integer),
            Self::Pixels { min, max } => {
                let rounded = number(text)?.round() as i64;
                (min..=max).contains(&rounded).then_some(Value::Integer(rounded))
            }
            Self::Number { min, max } => number(text).filter(|number| (min..=max).contains(number)).map(Value::Number),
            Self::Strength { min, max } => number(text).map(|number| Value::Number(number.clamp(min, max))),
            Self::Boolean | Self::Flag => boolean(text).map(Value::Boolean),
            Self::Word(words) => word(text, words).map(Value::Word),
            Self::Text => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
            Self::ShortText { max } => Self::Text.read_text(text).filter(|_| text.chars().nth(max).is_none()),
            Self::Colour => Colour::parse(text).map(Value::Colour),
            Self::Clock => clock(text).map(Value::Text),
            // Read before lists were unwrapped.
            Self::Place { .. } | Self::Area { .. } | Self::Pages | Self::List { .. } | Self::Either(_) => None,
        }
    }
}

/// Digits with at most one point and sign: no exponents, infinities or other readings of `f64`.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b".-+".contains(&byte));
    // Adding nothing makes a negative zero positive.
    text.parse().ok().filter(|number: &f64| is_plain && number.is_finite()).map(|number| number + 0.0)
}

fn whole(text: &str) -> Option<i64> {
    number(text).filter(|number| number.fract() == 0.0).map(|number| number as i64)
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn word(text: &str, words: &[&'static str]) -> Option<&'static str> {
    let synonym = SYNONYMS.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(text));
    let meant = synonym.map_or(text, |(_, meant)| meant);
    words.iter().find(|word| word.eq_ignore_ascii_case(meant)).copied()
}

fn clock(text: &str) -> Option<String> {
    let fields: Vec<u32> = text
        .split(':')
        .map(|field| field.parse().ok().filter(|_| field.len() <= 2 && !field.starts_with('+')))
        .collect::<Option<_>>()?;
    let [hours, minutes, seconds] = match *fields.as_slice() {
        [hours] => [hours, 0, 0],
        [hours, minutes] => [hours, minutes, 0],
        [hours, minutes, seconds] => [hours, minutes, seconds],
        _ => return None,
    };
    (minutes < 60 && seconds < 60).then(|| format!("{hours:02}:{minutes:02}:{seconds:02}"))
}

fn list(written: &Written, of: &Kind, min: usize, max: usize) -> Option<Value> {
    let members = match written {
        Written::List(members) => members.as_slice(),
        Written::Text(_) | Written::Flag => std::slice::from_ref(written),
    };
    if !(min..=max).contains(&members.len()) {
        return None;
    }
    members.iter().map(|member| of.read(member)).collect::<Option<_>>().map(Value::List)
}

/// The texts of a list, or of a single value.
fn texts(written: &Written) -> Option<Vec<&str>> {
    match written {
        Written::List(members) => members.iter().map(text).collect(),
        single => Some(vec![text(single)?]),
    }
}

fn text(written: &Written) -> Option<&str> {
    match written {
        Written::Text(text) => Some(text.trim()),
        _ => None,
    }
}

fn place(written: &Written, faces: bool) -> Option<Value> {
    let place = Place::read(&texts(written)?)?;
    (faces || place != Place::Faces).then_some(Value::Place(place))
}

fn area(written: &Written, max: i64) -> Option<Value> {
    if let Written::List(members) = written
        && let [inner @ Written::List(_)] = members.as_slice()
    {
        return area(inner, max);
    }
    let sides: Vec<i64> = texts(written)?.into_iter().map(whole).collect::<Option<_>>()?;
    let [x, y, width, height] = *sides.as_slice() else { return None };
    let fits = [x, y].iter().all(|from| (0..=max).contains(from));
    let has_extent = [width, height].iter().all(|side| (1..=max).contains(side));
    (fits && has_extent).then_some(Value::Area(Area { x, y, width, height }))
}

/// A list, or one text with commas as Go sends it (spec 12 §3).
fn pages(written: &Written) -> Option<Value> {
    let ranges = texts(written)?.into_iter().flat_map(|text| text.split(',')).take(MAX_PAGE_RANGES + 1);
    let ranges: Vec<PageRange> = ranges.map(PageRange::parse).collect::<Option<_>>()?;
    (ranges.len() <= MAX_PAGE_RANGES).then_some(Value::Pages(ranges))
}
