//! Which faces a task means (spec 11 §2).

use stowage_core::tasks::{Task, Value};

use crate::{Region, faces::Face, steps::values};

/// `minsize`, `maxsize` and `faces` of a task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selection {
    least: f64,
    most: f64,
    /// Counted from 1; `None`: all.
    numbers: Option<Vec<i64>>,
}

impl Selection {
    pub(crate) fn of(task: &Task) -> Self {
        let numbers = match task.value("faces") {
            Some(Value::Integer(number)) => Some(vec![number]),
            Some(Value::List(members)) => Some(members.iter().filter_map(integer).collect()),
            _ => None,
        };
        Self { least: values::number(task, "minsize"), most: values::number(task, "maxsize"), numbers }
    }

    /// The faces of the right size, by which they are numbered, and of these the ones with the right numbers.
    pub(crate) fn choose(&self, mut faces: Vec<Face>) -> Vec<Face> {
        let middle = middle_size(&faces);
        faces.retain(|face| {
            let size = size(face);
            size >= least(self.least, middle) && size <= most(self.most, middle)
        });
        let Some(numbers) = &self.numbers else { return faces };
        let numbered = (1..).zip(faces);
        numbered.filter(|(number, _)| numbers.contains(number)).map(|(_, face)| face).collect()
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

/// The longer side, pixels.
fn size(face: &Face) -> f64 {
    face.area.width.max(face.area.height)
}

/// The size that as many faces fall below as exceed it.
fn middle_size(faces: &[Face]) -> f64 {
    let mut sizes: Vec<f64> = faces.iter().map(size).collect();
    sizes.sort_by(f64::total_cmp);
    let half = sizes.len() / 2;
    match sizes.as_slice() {
        [] => 0.0,
        sizes if sizes.len() % 2 == 1 => sizes[half],
        sizes => (sizes[half - 1] + sizes[half]) / 2.0,
    }
}

/// Pixels of the smallest face that is meant: up to 1 the bound is a part of the middle size, and 0 is none.
fn least(bound: f64, middle: f64) -> f64 {
    match bound {
        0.0 => 0.0,
        ..=1.0 => middle - bound * middle,
        _ => bound,
    }
}

/// The same for the largest face.
fn most(bound: f64, middle: f64) -> f64 {
    match bound {
        0.0 => f64::INFINITY,
        ..=1.0 => middle + bound * middle,
        _ => bound,
    }
}

/// A rectangle with `percent` of its sides around it: a half of that at each edge. It may reach out of the picture.
pub(crate) fn with_buffer(area: Region, percent: f64) -> Region {
    let (width, height) = (area.width * percent / 100.0, area.height * percent / 100.0);
    Region {
        x: area.x - width / 2.0,
        y: area.y - height / 2.0,
        width: area.width + width,
        height: area.height + height,
    }
}
