//! Conversion, documents, archives and scripts (spec 12, 11 §§7.1, 9).

use super::{BACKGROUND, BOOLEAN, DENSITY, Definition, Kind, Parameter, QUALITY, TEXT, integer, parameter, task};

const FORMATS: &[&str] = &[
    "jpg", "png", "pjpg", "webp", "gif", "avif", "heic", "tiff", "bmp", "svg", "pdf", "doc", "docx", "html", "odp",
    "ods", "odt", "ppt", "pptx", "txt", "xls", "xlsx",
];
const PAGE_FORMAT: Parameter =
    parameter("pageformat", Kind::Word(&["a2", "a3", "a4", "a5", "b4", "b5", "letter", "legal", "tabloid"]));
const PAGE_ORIENTATION: Parameter = parameter("pageorientation", Kind::Word(&["portrait", "landscape"]));
const PAGES: Parameter = parameter("pages", Kind::Pages);
const GZIP: Parameter = parameter("gzip", BOOLEAN).or("false");

/// Switches of the library behind an old Swift client that have no equivalent (spec 12 §10).
const OLD_SWITCHES: &[&str] = &[
    "booleans",
    "builtins",
    "consecutiveadds",
    "deadcode",
    "evaluate",
    "flipcomparisons",
    "guards",
    "infinity",
    "memberexpressions",
    "numericliterals",
    "propertyliterals",
    "regexpconstructors",
    "removedebugger",
    "simplify",
    "simplifycomparisons",
    "typeconstructors",
    "undefinedtovoid",
];

pub(super) const TASKS: &[Definition] = &[
    task(
        "output",
        &[
            parameter("format", Kind::Word(FORMATS)).also(&["f"]),
            BACKGROUND.or("white"),
            parameter("page", integer(1, 99_999)).also(&["p"]).or("1"),
            parameter("density", DENSITY).also(&["d"]),
            parameter("compress", BOOLEAN).also(&["c"]).or("false"),
            parameter("quality", Kind::Either(&[QUALITY, Kind::Word(&["input"])])).also(&["q"]),
            parameter("strip", BOOLEAN).also(&["t"]).or("false"),
            parameter("colorspace", Kind::Word(&["rgb", "cmyk", "input"])).also(&["o"]).or("rgb"),
            parameter("secure", BOOLEAN).also(&["s"]).or("false"),
            parameter("docinfo", BOOLEAN).also(&["i"]).or("false"),
            PAGE_FORMAT.also(&["a"]),
            PAGE_ORIENTATION.also(&["r"]),
        ],
    ),
    task("pdfinfo", &[parameter("colorinfo", BOOLEAN).or("false")]),
    task("pdfconvert", &[PAGE_ORIENTATION, PAGE_FORMAT, PAGES, parameter("metadata", BOOLEAN).or("true")])
        .requiring_any(&["pageorientation", "pageformat", "pages"]),
    // The vendor's choice of renderer means nothing here.
    task("pdfcreate", &[]).ignoring(&["engine"]),
    task(
        "doc_to_images",
        &[
            PAGES,
            parameter("format", Kind::Word(FORMATS)).or("jpg"),
            parameter("quality", QUALITY),
            parameter("density", DENSITY),
            parameter("hidden_slides", BOOLEAN).or("false"),
        ],
    )
    .ignoring(&["engine"]),
    task("slide", &[parameter("theme", TEXT)]).ignoring(&["engine"]),
    task("zip", &[]),
    task("minify_css", &[parameter("level", integer(1, 2)).or("1"), GZIP]),
    task(
        "minify_js",
        &[
            GZIP,
            parameter("use_babel_polyfill", BOOLEAN).or("false"),
            parameter("keep_fn_name", BOOLEAN).or("false"),
            parameter("keep_class_name", BOOLEAN).or("false"),
            parameter("mangle", BOOLEAN).or("true"),
            parameter("merge_vars", BOOLEAN).also(&["mergevars"]).or("true"),
            parameter("remove_console", BOOLEAN).also(&["removeconsole"]).or("false"),
            parameter("remove_undefined", BOOLEAN).also(&["removeundefined"]).or("true"),
            parameter("targets", TEXT),
        ],
    )
    .ignoring(OLD_SWITCHES),
    task("preview", &[parameter("css", TEXT)]),
];
