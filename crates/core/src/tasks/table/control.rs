//! Tasks around the others: names, caches, storage, credentials (spec 10 §6).

use super::{BOOLEAN, Definition, Kind, Parameter, TEXT, integer, list, parameter, task};

/// Seconds; `max` is a year.
const LIFE: Kind = integer(1, 31_536_000);

pub(super) const TASKS: &[Definition] = &[
    task("metadata", &[parameter("params", list(&TEXT, 1, 100))]),
    task("content", &[parameter("filename", TEXT).also(&["f"]), parameter("type", TEXT).also(&["t"])]),
    task(
        "cache",
        &[
            parameter("expiry", Kind::Either(&[LIFE, Kind::Word(&["max"])])).also(&["e"]),
            parameter("false", Kind::Flag).also(&["f"]).or("false"),
        ],
    )
    .ignoring(&["true"]),
    // What the vendor does with unknown options of a store is not agreed on; they are skipped (spec 10 §6.3).
    task("store", STORE).lenient(),
    // Tasks that the app has given a name; ours, not the vendor's.
    task("preset", &[parameter("name", TEXT).also(&["n"])]).requiring(&["name"]),
    task("fallback", &[parameter("handle", TEXT).also(&["file"]), parameter("cache", LIFE)]).requiring(&["handle"]),
    // The reader of the path takes these two out of the chain.
    task("security", &[parameter("policy", TEXT).also(&["p"]), parameter("signature", TEXT).also(&["s"])]),
    task("debug", &[]),
];

/// Names and places are judged by [`crate::options`].
const STORE: &[Parameter] = &[
    parameter("filename", TEXT).also(&["f"]),
    parameter("location", TEXT).also(&["l"]),
    parameter("path", TEXT).also(&["p"]),
    parameter("container", TEXT).also(&["c"]),
    parameter("region", TEXT).also(&["r"]),
    parameter("access", TEXT).also(&["a"]),
    parameter("mimetype", TEXT),
    parameter("base64decode", BOOLEAN).also(&["b", "base64"]).or("false"),
    parameter("workflows", list(&TEXT, 1, 20)),
];
