//! Which tasks are work, and whose name stands for several.

use stowage_catalogue::App;
use stowage_core::delivery::Task;

use crate::http::ApiError;

/// Puts the tasks of presets in the place of their names.
///
/// # Errors
/// A preset that the app does not have.
pub fn with_presets(app: &App, written: &[Task]) -> Result<Vec<Task>, ApiError> {
    let mut tasks = Vec::with_capacity(written.len());
    for task in written {
        if task.name != "preset" {
            tasks.push(task.clone());
            continue;
        }
        // Says what is wrong with the parameters.
        let typed = stowage_core::tasks::Task::read(task)?;
        let name = typed.text("name").unwrap_or_default();
        let preset = app.settings.presets.get(name).ok_or_else(|| {
            ApiError::new(
                http::StatusCode::BAD_REQUEST,
                "invalid_parameter",
                "invalid parameter `name` for `preset` task: this app has no preset of that name",
            )
        })?;
        tasks.extend(preset.tasks());
    }
    Ok(tasks)
}

/// Whether the tasks that a request writes itself, outside of presets, are work on pictures.
pub fn are_work(written: &[Task]) -> bool {
    const FREE: &[&str] = &["preset", "store", "metadata", "content", "cache", "fallback", "imagesize"];
    written.iter().any(|task| !FREE.contains(&task.name.as_str()))
}
