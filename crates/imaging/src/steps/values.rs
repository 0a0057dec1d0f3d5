//! Values of a task as plain numbers. The table of tasks has checked kinds and ranges, and gives the defaults.

use stowage_core::tasks::{Colour, End, Place, Task, Value};

/// A number; 0 if the task has no such value.
pub(super) fn number(task: &Task, name: &str) -> f64 {
    task.value(name).as_ref().map_or(0.0, plain)
}

/// Pixels; `None` if the value is no number or 0.
pub(super) fn pixels(task: &Task, name: &str) -> Option<u32> {
    match task.value(name)? {
        Value::Integer(pixels) => u32::try_from(pixels).ok().filter(|pixels| *pixels > 0),
        _ => None,
    }
}

/// A pair of numbers; zeros if the task has no such value.
pub(super) fn pair(task: &Task, name: &str) -> [f64; 2] {
    match task.value(name) {
        Some(Value::List(members)) => {
            let mut numbers = members.iter().map(plain);
            std::array::from_fn(|_| numbers.next().unwrap_or_default())
        }
        _ => [0.0; 2],
    }
}

/// A word of the vocabulary of the task; empty if the value is of another kind.
pub(super) fn word(task: &Task, name: &str) -> &'static str {
    match task.value(name) {
        Some(Value::Word(word)) => word,
        _ => "",
    }
}

/// Red, green, blue and opacity.
pub(super) fn colour(task: &Task, name: &str) -> Option<[u8; 4]> {
    match task.value(name)? {
        Value::Colour(Colour { rgb: [red, green, blue], opacity }) => Some([red, green, blue, opacity]),
        _ => None,
    }
}

/// Which edges, vertical first; the middle if the value is of another kind.
pub(super) fn ends(task: &Task, name: &str) -> (End, End) {
    match task.value(name) {
        Some(Value::Place(Place::At { vertical, horizontal })) => (vertical, horizontal),
        _ => (End::Middle, End::Middle),
    }
}

/// Where something begins that leaves so many pixels of an axis free.
pub(super) fn begin(free: u32, end: End) -> u32 {
    match end {
        End::Start => 0,
        End::Middle => free / 2,
        End::Far => free,
    }
}

fn plain(value: &Value) -> f64 {
    match value {
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        _ => 0.0,
    }
}
