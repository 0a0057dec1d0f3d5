//! Typed values, and how each is written.

use super::{colour::Colour, place::Place};
use crate::delivery::Value as Written;

/// A value that its parameter takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A finite number.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A word of the engine's vocabulary.
    Word(&'static str),
    /// Any other text, never empty.
    Text(String),
    /// A colour with its opacity.
    Colour(Colour),
    /// Where in a picture.
    Place(Place),
    /// A rectangle of a picture.
    Area(Area),
    /// Pages of a document, in the order asked for.
    Pages(Vec<PageRange>),
    /// Several values of one kind.
    List(Vec<Value>),
}

/// A rectangle in pixels from the top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Area {
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
}

/// Pages from first to last, counted from 1; an open end is the document's (spec 12 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    /// `None`: from the beginning.
    pub first: Option<u32>,
    /// `None`: to the end.
    pub last: Option<u32>,
}

impl Value {
    /// The text of a word or text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As the reader of the grammar would find it.
    pub(super) fn written(&self) -> Written {
        match self {
            Self::Integer(number) => text(number),
            Self::Number(number) => text(number),
            Self::Boolean(truth) => text(truth),
            Self::Word(word) => text(word),
            Self::Text(content) => text(content),
            Self::Colour(colour) => text(colour),
            Self::Place(place) => place.written(),
            Self::Area(area) => Written::List([area.x, area.y, area.width, area.height].iter().map(text).collect()),
            Self::Pages(ranges) => Written::List(ranges.iter().map(PageRange::written).collect()),
            Self::List(members) => Written::List(members.iter().map(Self::written).collect()),
        }
    }
}

impl PageRange {
    /// `3`, `3-5`, `7-` or `-4`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let page = |text: &str| text.trim().parse().ok().filter(|page: &u32| *page > 0);
        let end = |text: &str| if text.trim().is_empty() { Some(None) } else { page(text).map(Some) };
        let Some((first, last)) = text.split_once('-') else {
            let only = page(text)?;
            return Some(Self { first: Some(only), last: Some(only) });
        };
        let range = Self { first: end(first)?, last: end(last)? };
        let is_empty = range.first.zip(range.last).is_some_and(|(first, last)| last < first);
        (!is_empty && range != Self { first: None, last: None }).then_some(range)
    }

    fn written(&self) -> Written {
        let end = |page: Option<u32>| page.map(|page| page.to_string()).unwrap_or_default();
        if self.first.is_some() && self.first == self.last {
            return Written::Text(end(self.first));
        }
        Written::Text(format!("{}-{}", end(self.first), end(self.last)))
    }
}

pub(super) fn text(value: &(impl ToString + ?Sized)) -> Written {
    Written::Text(value.to_string())
}
