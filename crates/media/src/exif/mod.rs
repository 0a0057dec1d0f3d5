//! EXIF data of JPEG, PNG, WebP, TIFF and HEIF files. The walk is our own because a library that collects every field first lets a small file
//! take gigabytes (overlapping directories, one large value named a thousand times; threat E3); names and texts of tags are the library's.

mod container;
mod heif;
mod tiff;
mod value;

use serde_json::{Map, Value};

/// EXIF groups (`image`, `exif`, `gps`, `interop`, `thumbnail`) → tag name → value text or number; an empty object if there is none.
/// A tag that has no name is called by its number, such as `0xc4a5`. At most 1000 tags; texts are cut at 4 KiB, longer values of other kinds are left out.
pub fn exif(bytes: &[u8]) -> Value {
    let mut groups = Map::new();
    let entries = container::tiff_block(bytes).map(tiff::entries).unwrap_or_default();
    for entry in entries {
        let Some(value) = value::json(&entry) else {
            continue;
        };
        let group = groups.entry(entry.group.name()).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(tags) = group {
            // The first of two equal tags is the one that other readers show.
            tags.entry(entry.tag_name()).or_insert(value);
        }
    }
    Value::Object(groups)
}
