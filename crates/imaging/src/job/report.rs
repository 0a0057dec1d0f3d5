//! Tasks that tell of a picture instead of changing it.

use serde_json::json;
use stowage_core::tasks::{Task, Value};

use crate::{Bitmap, ImageError, Outcome, steps};

/// The tasks on pictures, and the one behind them whose answer is no picture.
pub(super) fn split<'t>(tasks: &'t [&'t Task]) -> Result<(&'t [&'t Task], Option<&'t Task>), ImageError> {
    let Some(at) = tasks.iter().position(|task| is_report(task)) else { return Ok((tasks, None)) };
    if let Some(behind) = tasks.get(at + 1) {
        let (report, behind) = (tasks[at].name(), behind.name());
        return Err(ImageError::Unsupported(format!("`{behind}` cannot follow `{report}`, whose result is no image")));
    }
    Ok((&tasks[..at], Some(tasks[at])))
}

fn is_report(task: &Task) -> bool {
    let is_on = |parameter| task.value(parameter) == Some(Value::Boolean(true));
    match task.name() {
        "imagesize" | "ascii" => true,
        "detect_faces" => is_on("export"),
        "smart_crop" => is_on("coords"),
        _ => false,
    }
}

/// What a task tells of a picture.
pub(super) fn answer(task: &Task, bitmap: &Bitmap) -> Result<Outcome, ImageError> {
    let told = match task.name() {
        "ascii" => {
            let bytes = steps::ascii::page(task, bitmap)?.into_bytes();
            return Ok(Outcome { bytes, media_type: "text/html", extension: "html" });
        }
        "detect_faces" => steps::faces::export(task, bitmap),
        "smart_crop" => steps::smart_crop::export(task, bitmap)?,
        _ => Some(size(bitmap.width, bitmap.height)),
    };
    Ok(json(told.unwrap_or_default()))
}

/// What `imagesize` tells.
pub(super) fn size_of(width: u32, height: u32) -> Outcome {
    json(size(width, height))
}

fn size(width: u32, height: u32) -> String {
    json!({ "height": height, "width": width }).to_string()
}

fn json(text: String) -> Outcome {
    Outcome { bytes: text.into_bytes(), media_type: "application/json", extension: "json" }
}
