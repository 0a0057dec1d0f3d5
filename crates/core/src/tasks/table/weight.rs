//! Weight, metadata and encoding of images (spec 11 §7).

use super::{BOOLEAN, Definition, QUALITY, integer, parameter, task};

pub(super) const TASKS: &[Definition] = &[
    task("quality", &[parameter("value", QUALITY).also(&["v"])]),
    task("compress", &[parameter("metadata", BOOLEAN).also(&["m"]).or("false")]),
    task("no_metadata", &[]),
    task("auto_image", &[]),
    task("pjpg", &[parameter("quality", integer(0, 100)), parameter("metadata", BOOLEAN).or("false")]),
];
