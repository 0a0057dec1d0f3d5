//! Standard output; a reader that goes away is an error, never a panic.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::Serialize;

use crate::failure::Failure;

/// Prints one line at once.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Failure::Output)
}

/// Prints a value as JSON over several lines.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::Other(format!("cannot write JSON: {error}")))?;
    line(text)
}

/// Prints rows with their columns aligned.
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Result<(), Failure> {
    let widths: [usize; COLUMNS] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    for row in rows {
        let cells = row.iter().zip(widths);
        let text: String = cells.map(|(cell, width)| format!("{cell:width$}  ")).collect();
        line(text.trim_end())?;
    }
    Ok(())
}
