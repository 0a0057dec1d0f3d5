//! Worker processes in which hostile bytes are decoded, so that what they break is not the server.
//!
//! The parent side is [`Pool`]: a fixed number of processes, each the same binary executed again, that take jobs from one queue.
//! The process side is [`child::serve`]: it prepares, locks itself into the [`sandbox`], and answers one job after the other. What a
//! job means is known to the handler alone; here a job is a head of bytes, files to read, and one file to write.

pub mod child;
mod pool;
mod protocol;
pub mod sandbox;

pub use pool::{Done, Figures, Job, JobError, Pool, Settings, Source, probe};
