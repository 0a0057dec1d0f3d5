//! The pure vocabulary of Stowage: every type that user text becomes at the edge, and the rules that need no I/O.
//!
//! Invariant: nothing here reads a clock, a file, a socket or the environment; time and randomness are arguments.

mod base64_text;
mod text;

pub mod app;
pub mod delivery;
pub mod disposition;
pub mod filename;
pub mod handle;
pub mod location;
pub mod media_type;
pub mod options;
pub mod policy;
pub mod query;
pub mod range;
pub mod storage_path;
pub mod tasks;
