//! What a task takes: its parameters with their spellings, kinds and defaults.

use super::kind::Kind;

/// One task of the engine (spec 10 §10).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Definition {
    /// Name in canonical form.
    pub(crate) name: &'static str,
    /// Other spellings of the name.
    pub(super) aliases: &'static [&'static str],
    /// Everything it takes, in canonical order.
    pub(super) parameters: &'static [Parameter],
    /// Parameters that must all be given.
    pub(super) required: &'static [&'static str],
    /// Parameters of which at least one must be given; empty: no such rule.
    pub(super) any_of: &'static [&'static str],
    /// Parameters that clients send and that mean nothing here.
    pub(super) ignored: &'static [&'static str],
    /// Whether parameters of any other name are skipped instead of refused.
    pub(super) lenient: bool,
}

/// One parameter of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Parameter {
    /// Name in canonical form.
    pub(super) name: &'static str,
    /// Letters and other spellings.
    pub(super) aliases: &'static [&'static str],
    /// What values it takes.
    pub(super) kind: Kind,
    /// The value that leaving it out stands for, as it is written.
    pub(super) default: Option<&'static str>,
}

impl Definition {
    /// The position of a parameter, by any of its spellings, without regard to case.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|parameter| parameter.is_named(name))
    }

    /// Whether a parameter that is not in the table is skipped.
    pub(super) fn ignores(&self, name: &str) -> bool {
        self.lenient || self.ignored.iter().any(|ignored| ignored.eq_ignore_ascii_case(name))
    }
}

impl Parameter {
    fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }
}

/// A task that needs none of its parameters.
pub(super) const fn task(name: &'static str, parameters: &'static [Parameter]) -> Definition {
    Definition { name, aliases: &[], parameters, required: &[], any_of: &[], ignored: &[], lenient: false }
}

/// A parameter without letters and default.
pub(super) const fn parameter(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, aliases: &[], kind, default: None }
}

impl Definition {
    pub(super) const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    pub(super) const fn requiring(self, required: &'static [&'static str]) -> Self {
        Self { required, ..self }
    }

    pub(super) const fn requiring_any(self, any_of: &'static [&'static str]) -> Self {
        Self { any_of, ..self }
    }

    pub(super) const fn ignoring(self, ignored: &'static [&'static str]) -> Self {
        Self { ignored, ..self }
    }

    pub(super) const fn lenient(self) -> Self {
        Self { lenient: true, ..self }
    }
}

impl Parameter {
    pub(super) const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    pub(super) const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}
