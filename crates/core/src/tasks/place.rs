//! `align` and `position`: where in a picture (spec 11 §§1.1, 5.1).

use super::value::text;
use crate::delivery::Value as Written;

/// Where in a picture something is looked for or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// By the edges.
    At {
        /// `top`, `middle` or `bottom`.
        vertical: End,
        /// `left`, `center` or `right`.
        horizontal: End,
    },
    /// Around all faces that are found.
    Faces,
}

/// One of three places along an axis that runs from the top or the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum End {
    Start,
    Middle,
    Far,
}

impl Place {
    /// A word, or a pair of vertical and horizontal word.
    pub(super) fn read(words: &[&str]) -> Option<Self> {
        match *words {
            [word] if word.eq_ignore_ascii_case("faces") => Some(Self::Faces),
            // One word settles one axis, the other is centred.
            [word] => {
                let (vertical, horizontal) = match (vertical(word), horizontal(word)) {
                    (None, None) => return None,
                    ends => ends,
                };
                Some(Self::At {
                    vertical: vertical.unwrap_or(End::Middle),
                    horizontal: horizontal.unwrap_or(End::Middle),
                })
            }
            [first, second] => Some(Self::At { vertical: vertical(first)?, horizontal: horizontal(second)? }),
            _ => None,
        }
    }

    /// The shortest spelling.
    pub(super) fn written(self) -> Written {
        let Self::At { vertical, horizontal } = self else {
            return text("faces");
        };
        let row = ["top", "middle", "bottom"][vertical as usize];
        let column = ["left", "center", "right"][horizontal as usize];
        match (vertical, horizontal) {
            (End::Middle, _) => text(column),
            (_, End::Middle) => text(row),
            _ => Written::List(vec![text(row), text(column)]),
        }
    }
}

fn vertical(word: &str) -> Option<End> {
    match word.to_ascii_lowercase().as_str() {
        "top" => Some(End::Start),
        "middle" | "center" => Some(End::Middle),
        "bottom" => Some(End::Far),
        _ => None,
    }
}

fn horizontal(word: &str) -> Option<End> {
    match word.to_ascii_lowercase().as_str() {
        "left" => Some(End::Start),
        "middle" | "center" => Some(End::Middle),
        "right" => Some(End::Far),
        _ => None,
    }
}
