//! What tasks mean, written as the clients write them.

mod conformance;
mod refusals;
mod round_trip;
mod table;
mod values;

use super::*;
use crate::delivery;

const H: &str = "7xSJALUhSlCDCNujt5Ku";
const H2: &str = "5aYkEQJSQCmYShsoCnZN";
const KEY: &str = "AexampleKey0000000000z";

/// Reads a path in which `{H}`, `{H2}` and `{KEY}` stand for these.
fn chain_of(path: &str) -> Result<Chain, InvalidTask> {
    let spelled = path.replace("{H}", H).replace("{H2}", H2).replace("{KEY}", KEY);
    let (raw, query) = spelled.split_once('?').unwrap_or((&spelled, ""));
    Chain::read(&delivery::parse(raw, Some(query)).expect(path).tasks)
}

/// The canonical form of the tasks in front of a handle.
fn canonical(tasks: &str) -> String {
    chain_of(&format!("/{tasks}/{{H}}")).expect(tasks).canonical()
}

fn refusal(tasks: &str) -> String {
    chain_of(&format!("/{tasks}/{{H}}")).expect_err(tasks).to_string()
}
