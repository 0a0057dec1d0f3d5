//! Kinds of work, and what each is written as.

use stowage_core::tasks::{Chain, Task, Value};
use stowage_minify::{Language, Options, Order};

use crate::{
    api::plan::{unsupported, unsupported_task},
    http::ApiError,
};

/// What is made of sources.
#[derive(Clone, Debug)]
pub enum Work {
    /// A picture, or facts about one: the steps.
    Pictures(Chain),
    /// An archive of all sources (spec 11 §9).
    Archive,
    /// A smaller style sheet or script (spec 12 §§9, 10).
    Script(Order),
}

impl Work {
    /// The work that steps are. `stores`: the result becomes a file, which is never kept compressed.
    ///
    /// # Errors
    /// A step that nothing here does, or not together with others.
    pub fn of(steps: Vec<Task>, stores: bool) -> Result<Self, ApiError> {
        let alone = steps.iter().find(|step| matches!(step.name(), "zip" | "minify_css" | "minify_js"));
        match (alone.map(|step| (step, step.name())), steps.len()) {
            (Some((_, "zip")), 1) => Ok(Self::Archive),
            (Some((step, _)), 1) => Ok(Self::Script(script(step, stores)?)),
            (Some((_, name)), _) => Err(unsupported(&format!("the task `{name}` together with others"))),
            (None, _) => match steps.iter().find(|step| !stowage_imaging::does(step.name())) {
                Some(step) => Err(unsupported_task(step.name())),
                None => Ok(Self::Pictures(Chain { steps, ..Chain::default() })),
            },
        }
    }

    /// Whether the result depends on the formats that a client takes.
    pub(super) fn negotiates(&self) -> bool {
        matches!(self, Self::Pictures(chain) if chain.steps.iter().any(|step| step.name() == "auto_image"))
    }

    /// Whether the first step on a picture has this name.
    pub(super) fn begins_with(&self, name: &str) -> bool {
        matches!(self, Self::Pictures(chain) if chain.steps.first().is_some_and(|step| step.name() == name))
    }

    /// The files that the steps name themselves.
    pub(super) fn overlays(&self) -> Vec<String> {
        match self {
            Self::Pictures(chain) => stowage_imaging::overlays(chain),
            Self::Archive | Self::Script(_) => Vec::new(),
        }
    }

    /// Text that is equal for what gives equal results, and not otherwise.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::Pictures(chain) => chain.canonical(),
            Self::Archive => "zip".to_owned(),
            Self::Script(order) => format!("{order:?}"),
        }
    }
}

fn script(task: &Task, stores: bool) -> Result<Order, ApiError> {
    let is_set = |name: &str| task.value(name) == Some(Value::Boolean(true));
    if is_set("use_babel_polyfill") {
        return Err(unsupported("`use_babel_polyfill`"));
    }
    let language = match task.name() {
        "minify_css" => Language::Css { level: if task.value("level") == Some(Value::Integer(2)) { 2 } else { 1 } },
        _ => Language::Js(Options {
            keep_fn_name: is_set("keep_fn_name"),
            keep_class_name: is_set("keep_class_name"),
            mangle: is_set("mangle"),
            merge_vars: is_set("merge_vars"),
            remove_console: is_set("remove_console"),
            targets: task.text("targets").map(str::to_owned),
        }),
    };
    Ok(Order { language, gzip: is_set("gzip") && !stores })
}
