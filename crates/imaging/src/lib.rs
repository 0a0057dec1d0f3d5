//! Pictures: decoding, the image tasks, encoding. Bytes in, bytes out; knows neither storage nor HTTP.
//!
//! A job is [`run()`]: the first source is opened by [`decode`], each frame goes through the [`steps`] of the chain, and an
//! [`encode`] writer takes what comes out. Frames are handled one by one, so an animation needs the memory of a few frames.

mod colour;
pub mod decode;
mod draw;
pub mod encode;
mod error;
mod exif;
mod faces;
mod font;
mod format;
mod job;
mod jpeg;
mod order;
mod picture;
mod png_chunks;
pub mod steps;
mod tasks;
mod text;

pub use error::ImageError;
pub use format::Format;
pub use job::{Inputs, Limits, Outcome, Profile, Settings, overlays, run};
pub use order::{Order, Refusal, RefusalKind, Told};
pub use picture::{Bitmap, Frame, Layout, Metadata, Orientation, Region};
pub use tasks::does;
