//! Parameters of the old API as tasks of the language.

use stowage_core::{
    delivery::{Task, Value},
    query::Query,
};

use crate::http::ApiError;

/// The tasks that parameters stand for: resize, crop, watermark and caption, filter, then rotation and encoding, whatever the order in which
/// they are written; `crop_first` puts the crop in front.
///
/// # Errors
/// A filter that does not exist; all other values are checked with the tasks.
pub(super) fn of(parameters: &Query) -> Result<Vec<Task>, ApiError> {
    let mut tasks = vec![
        task(parameters, "resize", &[("w", "width"), ("h", "height"), ("width", "width"), ("height", "height")]),
        crop(parameters),
        watermark(parameters),
        caption(parameters),
        filter(parameters)?,
        task(parameters, "rotate", &[("rotate", "deg"), ("exif", "exif")]),
        task(parameters, "quality", &[("quality", "value")]),
        compress(parameters),
        task(
            parameters,
            "output",
            &[("format", "format"), ("page", "page"), ("density", "density"), ("secure", "secure")],
        ),
    ];
    if parameters.flag("crop_first") {
        tasks.swap(0, 1);
    }
    let fitted = |task: &mut Task| {
        for name in ["fit", "align"] {
            task.params.extend(given(parameters, name).map(|value| (name.to_owned(), text(value))));
        }
    };
    let mut tasks: Vec<Task> = tasks.into_iter().flatten().collect();
    tasks.iter_mut().filter(|task| task.name == "resize").for_each(fitted);
    Ok(tasks)
}

/// A task if any of its parameters is given: their names here, and those of the task.
fn task(parameters: &Query, name: &str, names: &[(&str, &str)]) -> Option<Task> {
    let params = names.iter().filter_map(|(old, new)| Some(((*new).to_owned(), text(given(parameters, old)?))));
    let params: Vec<_> = params.collect();
    (!params.is_empty()).then(|| Task { name: name.to_owned(), params })
}

fn crop(parameters: &Query) -> Option<Task> {
    Some(Task { name: "crop".to_owned(), params: vec![("dim".to_owned(), list(given(parameters, "crop")?))] })
}

fn watermark(parameters: &Query) -> Option<Task> {
    let mut params = vec![("file".to_owned(), text(given(parameters, "watermark")?))];
    params.extend(given(parameters, "watermark_size").map(|size| ("size".to_owned(), text(size))));
    params.extend(given(parameters, "watermark_position").map(|words| ("position".to_owned(), place(words))));
    Some(Task { name: "watermark".to_owned(), params })
}

/// `text_font` means nothing: the one font that is always there stands for all.
fn caption(parameters: &Query) -> Option<Task> {
    given(parameters, "text")?;
    let names = [("text", "text"), ("text_size", "size"), ("text_color", "color"), ("text_padding", "padding")];
    let mut caption = task(parameters, "text", &names)?;
    caption.params.extend(given(parameters, "text_align").map(|words| ("align".to_owned(), place(words))));
    Some(caption)
}

fn filter(parameters: &Query) -> Result<Option<Task>, ApiError> {
    let Some(name) = given(parameters, "filter") else { return Ok(None) };
    let amount = match name {
        "blur" => "blurAmount",
        "sharpen" => "sharpenAmount",
        _ => {
            let error = ApiError::invalid_parameter("filter", "it is `blur` or `sharpen`");
            return Err(ApiError { message: format!("Invalid conversion params: {}", error.message).into(), ..error });
        }
    };
    let params = given(parameters, amount).map(|amount| ("amount".to_owned(), text(amount)));
    Ok(Some(Task { name: name.to_owned(), params: params.into_iter().collect() }))
}

fn compress(parameters: &Query) -> Option<Task> {
    parameters.flag("compress").then(|| Task { name: "compress".to_owned(), params: Vec::new() })
}

/// A parameter that says something.
fn given<'a>(parameters: &'a Query, name: &str) -> Option<&'a str> {
    parameters.get(name).filter(|value| !value.is_empty())
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// `top,left`, or one word.
fn place(words: &str) -> Value {
    if words.contains(',') { list(words) } else { text(words) }
}

fn list(values: &str) -> Value {
    Value::List(values.trim_matches(['[', ']']).split(',').map(|value| text(value.trim())).collect())
}
