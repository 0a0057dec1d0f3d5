//! Hostile and broken requests: a 4xx with a short text that says what to change, and nothing stored (threats B, C8–C9, D, I).

mod forms;
mod framing;
mod paths;
mod values;
