//! `collage`: several pictures in rows on one canvas (spec 11 §5.2).

use stowage_core::tasks::{Task, Value};

use super::{
    Bounds, Overlays, Step,
    alpha::{canvas, lay, on_ground},
    overlay::{self, covered},
    values,
};
use crate::{Bitmap, ImageError};

struct Collage {
    /// What is put behind the picture that the step works on.
    others: Vec<Bitmap>,
    width: u32,
    height: u32,
    margin: u32,
    colour: [u8; 4],
    equal_cells: bool,
}

/// A cell of the canvas, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

pub(super) fn step(task: &Task, bounds: Bounds, overlays: &mut Overlays<'_>) -> Result<Box<dyn Step>, ImageError> {
    let missing = || ImageError::Parameter { task: "collage", parameter: "width" };
    let width = values::pixels(task, "width").ok_or_else(missing)?;
    let height = values::pixels(task, "height").ok_or_else(missing)?;
    bounds.check(width, height)?;
    let files = match task.value("files") {
        Some(Value::List(files)) => files.len(),
        _ => 0,
    };
    let upright = task.value("autorotate") == Some(Value::Boolean(true));
    let limits = overlays.limits;
    let mut others = Vec::with_capacity(files);
    for _ in 0..files {
        others.push(overlay::read(overlays.next_file()?, Some((width, height)), upright, &limits)?);
    }
    Ok(Box::new(Collage {
        others,
        width,
        height,
        margin: values::pixels(task, "margin").unwrap_or(1),
        colour: values::colour(task, "color").unwrap_or([u8::MAX; 4]),
        equal_cells: values::word(task, "fit") == "crop",
    }))
}

impl Step for Collage {
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        let pictures: Vec<&Bitmap> = std::iter::once(&bitmap).chain(&self.others).collect();
        let ratios: Vec<f64> =
            pictures.iter().map(|picture| f64::from(picture.width) / f64::from(picture.height)).collect();
        let rows = self.rows(&ratios);
        let cells = self.cells(&ratios, &rows).ok_or(ImageError::Parameter { task: "collage", parameter: "margin" })?;
        let mut result = canvas(self.width, self.height, self.colour);
        for (picture, cell) in pictures.iter().zip(cells) {
            lay(&mut result, &covered(picture, cell.width, cell.height)?, cell.left, cell.top);
        }
        let opaque = self.colour[3] == u8::MAX;
        Ok(if opaque { on_ground(result, Some(self.colour)) } else { result })
    }
}

impl Collage {
    /// How many pictures each row has: the number of rows whose heights, each row as wide as the canvas, come closest to filling it.
    fn rows(&self, ratios: &[f64]) -> Vec<usize> {
        let filling = |rows: &Vec<usize>| {
            let heights: f64 = self.natural_heights(ratios, rows).iter().sum();
            let filled = (heights + f64::from(self.margin) * (rows.len() + 1) as f64) / f64::from(self.height);
            // Too high is as bad as too low.
            filled.max(f64::MIN_POSITIVE).ln().abs()
        };
        let candidates = (1..=ratios.len()).map(|rows| partition(ratios, rows));
        candidates.min_by(|first, second| filling(first).total_cmp(&filling(second))).unwrap_or_default()
    }

    /// Heights that rows have when their pictures, uncut, fill the width.
    fn natural_heights(&self, ratios: &[f64], rows: &[usize]) -> Vec<f64> {
        let mut rest = ratios;
        let height = |count: &usize| {
            let (row, behind) = rest.split_at(*count);
            rest = behind;
            let room = f64::from(self.width) - f64::from(self.margin) * (count + 1) as f64;
            room.max(1.0) / row.iter().sum::<f64>()
        };
        rows.iter().map(height).collect()
    }

    /// The cells in order; `None` if the margins leave no room for them.
    fn cells(&self, ratios: &[f64], rows: &[usize]) -> Option<Vec<Cell>> {
        let heights = self.natural_heights(ratios, rows);
        let row_weights: Vec<f64> = if self.equal_cells { vec![1.0; rows.len()] } else { heights };
        let lines = divided(self.height, self.margin, &row_weights)?;
        let mut rest = ratios;
        let mut cells = Vec::with_capacity(ratios.len());
        for ((top, height), count) in lines.into_iter().zip(rows) {
            let (row, behind) = rest.split_at(*count);
            rest = behind;
            let weights = if self.equal_cells { vec![1.0; row.len()] } else { row.to_vec() };
            let columns = divided(self.width, self.margin, &weights)?;
            cells.extend(columns.into_iter().map(|(left, width)| Cell { left, top, width, height }));
        }
        Some(cells)
    }
}

/// Divides a length with margins between and around the parts; each part gets its start and its share, at least one pixel.
fn divided(length: u32, margin: u32, weights: &[f64]) -> Option<Vec<(u32, u32)>> {
    let count = u32::try_from(weights.len()).ok()?;
    let room = length.checked_sub(margin.checked_mul(count + 1)?)?;
    // A pixel for each, the rest by weight.
    let free = f64::from(room.checked_sub(count)?);
    let sum: f64 = weights.iter().sum();
    let mut before = 0.0;
    let mut parts = Vec::with_capacity(weights.len());
    for (index, weight) in (0_u32..).zip(weights) {
        let edge = |share: f64| (free * share / sum).round() as u32;
        let (start, end) = (edge(before) + index, edge(before + weight) + index + 1);
        before += weight;
        parts.push((start + margin * (index + 1), end - start));
    }
    Some(parts)
}

/// Cuts a list into consecutive rows whose sums of ratios are as equal as can be.
fn partition(ratios: &[f64], rows: usize) -> Vec<usize> {
    let ideal = ratios.iter().sum::<f64>() / rows as f64;
    let mut counts = Vec::with_capacity(rows);
    let mut taken = 0;
    let mut reached = 0.0;
    for row in 1..rows {
        let first = taken;
        // Each row has one at least, and leaves one for each that follows.
        while taken < ratios.len() - (rows - row) {
            let next = reached + ratios[taken];
            let is_closer = (next - ideal * row as f64).abs() <= (reached - ideal * row as f64).abs();
            if taken > first && !is_closer {
                break;
            }
            reached = next;
            taken += 1;
        }
        counts.push(taken - first);
    }
    counts.push(ratios.len() - taken);
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn collage(width: u32, height: u32, margin: u32, equal_cells: bool) -> Collage {
        Collage { others: Vec::new(), width, height, margin, colour: [255; 4], equal_cells }
    }

    #[test]
    fn pictures_of_one_shape_make_a_grid() {
        let four = collage(210, 210, 10, false);
        let rows = four.rows(&[1.0; 4]);
        assert_eq!(rows, [2, 2]);
        let cell = |left, top| Cell { left, top, width: 90, height: 90 };
        assert_eq!(
            four.cells(&[1.0; 4], &rows),
            Some(vec![cell(10, 10), cell(110, 10), cell(10, 110), cell(110, 110)])
        );
        assert_eq!(collage(410, 110, 10, false).rows(&[1.0; 4]), [4]);
        assert_eq!(collage(110, 410, 10, false).rows(&[1.0; 4]), [1, 1, 1, 1]);
    }

    #[test]
    fn margins_that_leave_no_room_are_refused() {
        assert_eq!(collage(15, 35, 40, true).cells(&[1.0, 1.0], &[2]), None);
    }

    proptest! {
        #[test]
        fn cells_lie_inside_and_keep_their_margins(
            ratios in prop::collection::vec(0.1..10.0_f64, 1..20),
            width in 200..2000_u32,
            height in 200..2000_u32,
            margin in 1..8_u32,
            equal_cells in any::<bool>(),
        ) {
            let collage = collage(width, height, margin, equal_cells);
            let rows = collage.rows(&ratios);
            prop_assert_eq!(rows.iter().sum::<usize>(), ratios.len());
            prop_assert!(rows.iter().all(|count| *count > 0));
            let cells = collage.cells(&ratios, &rows).expect("there is room");
            for (index, cell) in cells.iter().enumerate() {
                prop_assert!(cell.width > 0 && cell.height > 0);
                prop_assert!(cell.left >= margin && cell.left + cell.width + margin <= width);
                prop_assert!(cell.top >= margin && cell.top + cell.height + margin <= height);
                for other in &cells[..index] {
                    let apart = other.left + other.width + margin <= cell.left
                        || other.top + other.height + margin <= cell.top;
                    prop_assert!(apart, "{:?} and {:?}", other, cell);
                }
            }
        }
    }
}
