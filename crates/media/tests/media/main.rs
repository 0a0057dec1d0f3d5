//! Everything the crate says about files, on files made by hand and on broken ones.

mod dimensions;
mod exif;
mod samples;
mod sniff;
