//! The one table of tasks: everything that may stand in a path or a command, with its parameters (spec 10 §10, 11–15).

mod control;
mod document;
mod image;
mod intelligence;
mod media;
mod weight;

use super::{
    Kind,
    definition::{Definition, Parameter, parameter, task},
};

const GROUPS: [&[Definition]; 6] =
    [image::TASKS, weight::TASKS, document::TASKS, media::TASKS, intelligence::TASKS, control::TASKS];

/// Bytes of the longest name. Handles and API keys are longer, so most paths need no look at the table.
const LONGEST_NAME: usize = 16;

/// Every task, in no particular order.
pub(super) fn definitions() -> impl Iterator<Item = &'static Definition> {
    GROUPS.into_iter().flatten()
}

/// The task of this name or alias, without regard to case.
pub(crate) fn find(name: &str) -> Option<&'static Definition> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let is_named = |known: &str| known.eq_ignore_ascii_case(name);
    definitions().find(|task| is_named(task.name) || task.aliases.iter().any(|alias| is_named(alias)))
}

/// Spelled out in every table.
const TEXT: Kind = Kind::Text;
const COLOUR: Kind = Kind::Colour;
const BOOLEAN: Kind = Kind::Boolean;
/// Dots per inch (spec 11 §7.1).
const DENSITY: Kind = integer(1, 500);
/// Percent of quality of an encoder.
const QUALITY: Kind = integer(1, 100);

const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

const fn pixels(min: i64, max: i64) -> Kind {
    Kind::Pixels { min, max }
}

const fn number(min: f64, max: f64) -> Kind {
    Kind::Number { min, max }
}

const fn strength(min: f64, max: f64) -> Kind {
    Kind::Strength { min, max }
}

const fn list(of: &'static Kind, min: usize, max: usize) -> Kind {
    Kind::List { of, min, max }
}

/// `background`, with its letter.
const BACKGROUND: Parameter = parameter("background", COLOUR).also(&["b"]);
