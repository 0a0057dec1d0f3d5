//! All tasks of a request: steps in their order, and what stands beside the steps wherever it is written (spec 10 §6).

use super::{InvalidTask, Task, Value};
use crate::delivery;

/// What the tasks of a path or a command add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// Tasks that work on the result of the one before, in order.
    pub steps: Vec<Task>,
    /// How the answer is called (spec 10 §6.6); the last one wins.
    pub content: Option<Task>,
    /// How long it is kept (spec 10 §6.1); the last one wins.
    pub cache: Option<Task>,
    /// What is answered when the source or a step fails (spec 10 §6.4); the last one wins.
    pub fallback: Option<Task>,
    /// Where the result is stored (spec 10 §6.2), made of all `store` tasks: earlier ones win, workflows are united.
    pub store: Option<Task>,
}

impl Chain {
    /// Types every task.
    ///
    /// # Errors
    /// The first task that does not fit the table.
    pub fn read(written: &[delivery::Task]) -> Result<Self, InvalidTask> {
        let mut chain = Self::default();
        for written in written {
            let task = Task::read(written)?;
            match task.name() {
                "content" => chain.content = Some(task),
                "cache" => chain.cache = Some(task),
                "fallback" => chain.fallback = Some(task),
                "store" => {
                    chain.store = Some(match chain.store.take() {
                        Some(earlier) => earlier.or(task)?,
                        None => task,
                    });
                }
                _ => chain.steps.push(task),
            }
        }
        Ok(chain)
    }

    /// All tasks in canonical order.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        let beside = [&self.content, &self.cache, &self.fallback, &self.store];
        self.steps.iter().chain(beside.into_iter().flatten())
    }

    /// The tasks as a path without slash at either end: equal for chains that mean the same, and read back as this chain.
    pub fn canonical(&self) -> String {
        self.tasks().map(Task::canonical).collect::<Vec<_>>().join("/")
    }
}

impl Task {
    /// What `self` leaves open is taken from `later`; lists are united, as far as their kind allows.
    fn or(mut self, later: Self) -> Result<Self, InvalidTask> {
        let slots = self.definition.parameters.iter().zip(&mut self.values);
        for ((parameter, own), other) in slots.zip(later.values) {
            match (own.as_mut(), other) {
                (None, other) => *own = other,
                (Some(Value::List(members)), Some(Value::List(others))) => {
                    for other in others {
                        if !members.contains(&other) {
                            members.push(other);
                        }
                    }
                    let united = Value::List(std::mem::take(members)).written();
                    *own = Some(parameter.kind.read(&united).ok_or_else(|| InvalidTask::Parameter {
                        task: later.definition.name,
                        parameter: parameter.name.to_owned(),
                    })?);
                }
                _ => {}
            }
        }
        Ok(self)
    }
}
