//! The task language: what the tasks of a path mean, checked against one table, and one canonical form of them (spec 10–15).
//!
//! [`crate::delivery`] finds out what is written: names, parameters, texts and lists. Here every parameter gets its type, and what
//! does not fit the table is refused with the sentences of spec 10 §7.

mod chain;
mod colour;
mod definition;
mod kind;
mod place;
mod quirks;
mod table;
mod value;
mod write;

use crate::delivery::{self, shown};
pub use chain::Chain;
pub use colour::Colour;
use definition::{Definition, Parameter};
use kind::Kind;
pub use place::{End, Place};
use std::collections::BTreeSet;
pub(crate) use table::find;
pub use value::{Area, PageRange, Value};

/// One step whose parameters are all valid. Those that say no more than their default are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    definition: &'static Definition,
    /// Beside the parameters of the definition, in their order.
    values: Vec<Option<Value>>,
}

/// A task that cannot be carried out as it is written; `Display` is the public text of a 400.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidTask {
    /// No task has this name.
    #[error("invalid task `{0}`")]
    Unknown(String),
    /// The task has no such parameter, or the value does not fit it (spec 10 §7).
    #[error("invalid parameter `{parameter}` for `{task}` task")]
    Parameter {
        /// Canonical name of the task.
        task: &'static str,
        /// Canonical name of the parameter, or what was written instead of one.
        parameter: String,
    },
    /// The task cannot do without the parameter.
    #[error("missing parameter {parameters} for `{task}` task")]
    Missing {
        /// Canonical name of the task.
        task: &'static str,
        /// One name, or several of which one suffices, each in back quotes.
        parameters: String,
    },
}

impl Task {
    /// Types the parameters of one written task.
    ///
    /// # Errors
    /// The first parameter that is unknown, out of its range, or missing.
    pub fn read(written: &delivery::Task) -> Result<Self, InvalidTask> {
        let definition = find(&written.name).ok_or_else(|| InvalidTask::Unknown(shown(&written.name)))?;
        let mut task = Self { definition, values: vec![None; definition.parameters.len()] };
        let mut given = BTreeSet::new();
        for (name, value) in quirks::params(definition.name, &written.params).iter() {
            let invalid =
                |parameter: &str| InvalidTask::Parameter { task: definition.name, parameter: shown(parameter) };
            let Some(position) = definition.position(name) else {
                if definition.ignores(name) {
                    continue;
                }
                return Err(invalid(name));
            };
            if is_empty(value) {
                continue;
            }
            let parameter = &definition.parameters[position];
            let value = parameter.kind.read(value).ok_or_else(|| invalid(parameter.name))?;
            // The first of several wins, but none may be wrong.
            if given.insert(position) && parameter.default_value().as_ref() != Some(&value) {
                task.values[position] = Some(value);
            }
        }
        task.check_presence()?;
        Ok(task)
    }

    fn check_presence(&self) -> Result<(), InvalidTask> {
        let has = |name: &&&str| self.given(name).is_some();
        let Definition { name: task, required, any_of, .. } = *self.definition;
        let missing = |names: &[&str]| {
            let parameters = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
            Err(InvalidTask::Missing { task, parameters })
        };
        if let Some(absent) = required.iter().find(|name| !has(name)) {
            return missing(&[absent]);
        }
        if !any_of.is_empty() && !any_of.iter().any(|name| has(&name)) {
            return missing(any_of);
        }
        Ok(())
    }

    /// Canonical name.
    pub fn name(&self) -> &'static str {
        self.definition.name
    }

    /// The value of a parameter, by its canonical name: the given one, else its default.
    pub fn value(&self, parameter: &str) -> Option<Value> {
        let position = self.definition.position(parameter)?;
        self.values[position].clone().or_else(|| self.definition.parameters[position].default_value())
    }

    /// The text of a parameter that takes text.
    pub fn text(&self, parameter: &str) -> Option<&str> {
        self.given(parameter)?.as_text()
    }

    /// The given value of a parameter; `None` also where it is the default.
    fn given(&self, parameter: &str) -> Option<&Value> {
        self.values.get(self.definition.position(parameter)?)?.as_ref()
    }

    /// The given parameters in canonical order, by canonical names, as the grammar would find them.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, delivery::Value)> {
        let pairs = self.definition.parameters.iter().zip(&self.values);
        pairs.filter_map(|(parameter, value)| {
            let value = value.as_ref()?;
            let written = if parameter.kind == Kind::Flag { delivery::Value::Flag } else { value.written() };
            Some((parameter.name, written))
        })
    }
}

impl Parameter {
    /// The typed default.
    fn default_value(&self) -> Option<Value> {
        self.kind.read(&delivery::read_value(self.default?)?)
    }
}

/// Clients send names without values for what they do not want to say.
fn is_empty(value: &delivery::Value) -> bool {
    match value {
        delivery::Value::Text(text) => text.is_empty(),
        delivery::Value::List(members) => members.iter().all(is_empty),
        delivery::Value::Flag => false,
    }
}

#[cfg(test)]
mod tests;
