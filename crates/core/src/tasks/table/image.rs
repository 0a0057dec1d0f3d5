//! Tasks on pixels (spec 11 §§1–6, 8).

use super::{
    BACKGROUND, BOOLEAN, COLOUR, Definition, Kind, Parameter, TEXT, integer, list, number, parameter, pixels, strength,
    task,
};

/// A side of 0 is one that is not given.
const WIDTH: Parameter = parameter("width", pixels(0, 10_000)).also(&["w"]).or("0");
const HEIGHT: Parameter = parameter("height", pixels(0, 10_000)).also(&["h"]).or("0");
/// Sides of a canvas.
const CANVAS_WIDTH: Parameter = parameter("width", pixels(1, 10_000)).also(&["w"]);
const CANVAS_HEIGHT: Parameter = parameter("height", pixels(1, 10_000)).also(&["h"]);
const ALIGN: Parameter = parameter("align", Kind::Place { faces: true }).also(&["a"]).or("center");

/// Numbers of faces as `detect_faces` draws them (spec 11 §2).
const FACES: Parameter =
    parameter("faces", Kind::Either(&[FACE, Kind::Word(&["all"]), list(&FACE, 1, 1000)])).also(&["f"]);
const FACE: Kind = integer(1, 1000);
const MIN_SIZE: Parameter = parameter("minsize", number(0.0, 10_000.0)).also(&["n"]).or("0.35");
const MAX_SIZE: Parameter = parameter("maxsize", number(0.0, 10_000.0)).also(&["x"]).or("0.35");
/// Percent; the documents say 1000, the schema of the JavaScript library lets more through.
const BUFFER: Parameter = parameter("buffer", number(0.0, 10_000.0)).also(&["b"]);
/// Softness of the edge of a region.
const SOFTNESS: Parameter = parameter("blur", number(0.0, 20.0)).also(&["l"]).or("4");
const SHAPE: Parameter = parameter("type", Kind::Word(&["rect", "oval"])).also(&["t"]).or("rect");

const OBJECTS: Parameter = parameter("objects", list(&Kind::Area { max: 10_000 }, 1, 50)).also(&["o"]);
const OFFSET: Kind = number(-1000.0, 1000.0);
const DEPTH: Kind = integer(1, 10_000);
/// Longest side of an animation, or that of the largest input.
const FRAME_SIDE: Kind = Kind::Either(&[pixels(1, 1800), Kind::Word(&["max"])]);

const fn amount(min: f64, max: f64, default: &'static str) -> Parameter {
    parameter("amount", strength(min, max)).also(&["a"]).or(default)
}

pub(super) const TASKS: &[Definition] = &[
    task(
        "resize",
        &[
            WIDTH,
            HEIGHT,
            parameter("fit", Kind::Word(&["clip", "crop", "scale", "max"])).also(&["f"]).or("clip"),
            ALIGN,
            parameter("filter", TEXT),
        ],
    )
    .requiring_any(&["width", "height"]),
    task("crop", &[parameter("dim", Kind::Area { max: 100_000 }).also(&["d"])]).requiring(&["dim"]),
    task(
        "rotate",
        &[
            parameter("deg", Kind::Either(&[number(0.0, 359.0), Kind::Word(&["exif"])])).also(&["d"]),
            parameter("exif", BOOLEAN).also(&["e"]),
            BACKGROUND.or("FFFFFFFF"),
        ],
    ),
    task("flip", &[]),
    task("flop", &[]),
    task(
        "smart_crop",
        &[
            parameter("mode", Kind::Word(&["auto", "face", "object"])).or("auto"),
            parameter("object", TEXT),
            WIDTH,
            HEIGHT,
            parameter("fill_color", COLOUR).or("FFFFFFFF"),
            parameter("coords", BOOLEAN).or("false"),
        ],
    ),
    task("imagesize", &[]),
    task(
        "detect_faces",
        &[
            MIN_SIZE,
            MAX_SIZE,
            parameter("color", COLOUR).also(&["c"]).or("dimgray"),
            parameter("export", BOOLEAN).also(&["e"]).or("false"),
        ],
    ),
    task(
        "crop_faces",
        &[
            parameter("mode", Kind::Word(&["thumb", "crop", "fill"])).also(&["m"]).or("thumb"),
            CANVAS_WIDTH,
            CANVAS_HEIGHT,
            FACES.or("1"),
            MIN_SIZE,
            MAX_SIZE,
            BUFFER,
        ],
    ),
    task("pixelate_faces", &[FACES.or("all"), MIN_SIZE, MAX_SIZE, BUFFER, amount(2.0, 100.0, "10"), SOFTNESS, SHAPE]),
    task("blur_faces", &[FACES.or("all"), MIN_SIZE, MAX_SIZE, BUFFER, amount(0.0, 20.0, "10"), SOFTNESS, SHAPE]),
    task(
        "rounded_corners",
        &[
            parameter("radius", Kind::Either(&[pixels(1, 10_000), Kind::Word(&["max"])])).also(&["r"]).or("10"),
            SOFTNESS.or("0.3"),
            BACKGROUND,
        ],
    )
    .also(&["round_corners"]),
    task("circle", &[BACKGROUND]),
    task(
        "border",
        &[
            parameter("width", pixels(0, 1000)).also(&["w"]).or("2"),
            parameter("color", COLOUR).also(&["c"]).or("black"),
            BACKGROUND.or("white"),
        ],
    ),
    task(
        "polaroid",
        &[
            parameter("color", COLOUR).also(&["c"]).or("snow"),
            parameter("rotate", number(0.0, 359.0)).also(&["r"]).or("45"),
            BACKGROUND,
        ],
    ),
    task("torn_edges", &[parameter("spread", list(&DEPTH, 2, 2)).also(&["s"]).or("[1,10]"), BACKGROUND]),
    task(
        "shadow",
        &[
            SOFTNESS,
            parameter("opacity", number(0.0, 100.0)).also(&["o"]).or("60"),
            parameter("vector", list(&OFFSET, 2, 2)).also(&["v"]).or("[4,4]"),
            parameter("color", COLOUR).also(&["c"]),
            BACKGROUND,
        ],
    ),
    task(
        "vignette",
        &[
            amount(0.0, 100.0, "20"),
            parameter("blurmode", Kind::Word(&["gaussian", "linear"])).also(&["m"]).or("gaussian"),
            BACKGROUND,
        ],
    ),
    task("sharpen", &[amount(0.0, 20.0, "2")]),
    task("blur", &[amount(0.0, 20.0, "2")]),
    task("monochrome", &[]),
    task("blackwhite", &[parameter("threshold", number(0.0, 100.0)).also(&["t"]).or("50")]),
    task("sepia", &[parameter("tone", number(0.0, 100.0)).also(&["t"]).or("80")]),
    task("pixelate", &[amount(2.0, 100.0, "2")]),
    task("oil_paint", &[amount(2.0, 100.0, "2")]),
    task("negative", &[]),
    task(
        "modulate",
        &[
            parameter("brightness", number(0.0, 10_000.0)).also(&["b"]).or("100"),
            parameter("hue", number(0.0, 359.0)).also(&["h"]).or("0"),
            parameter("saturation", number(0.0, 10_000.0)).also(&["s"]).or("100"),
        ],
    ),
    task("partial_pixelate", &[OBJECTS, amount(2.0, 100.0, "10"), SOFTNESS, SHAPE]).requiring(&["objects"]),
    task("partial_blur", &[OBJECTS, amount(0.0, 20.0, "10"), SOFTNESS, SHAPE]).requiring(&["objects"]),
    task(
        "watermark",
        &[
            parameter("file", TEXT).also(&["f"]),
            parameter("size", number(0.0, 500.0)).also(&["s"]).or("100"),
            parameter("position", Kind::Place { faces: false }).also(&["p"]).or("center"),
        ],
    )
    .requiring(&["file"]),
    // A caption: what the old conversions write into a picture (spec 11 §11); as a task it is ours, not the vendor's.
    task(
        "text",
        &[
            parameter("text", Kind::ShortText { max: 500 }).also(&["t"]),
            parameter("size", pixels(1, 1000)).also(&["s"]).or("20"),
            parameter("color", COLOUR).also(&["c"]).or("black"),
            parameter("align", Kind::Place { faces: false }).also(&["a"]).or("bottom"),
            parameter("padding", pixels(0, 1000)).also(&["p"]).or("10"),
        ],
    )
    .requiring(&["text"]),
    task(
        "collage",
        &[
            parameter("files", list(&TEXT, 1, 100)).also(&["f"]),
            CANVAS_WIDTH,
            CANVAS_HEIGHT,
            parameter("margin", pixels(1, 100)).also(&["m"]).or("10"),
            parameter("color", COLOUR).also(&["c"]).or("white"),
            parameter("fit", Kind::Word(&["auto", "crop"])).also(&["i"]).or("auto"),
            parameter("autorotate", BOOLEAN).also(&["a"]).or("false"),
        ],
    )
    .requiring(&["files", "width", "height"]),
    task(
        "animate",
        &[
            parameter("delay", integer(0, 10_000)).or("1000"),
            parameter("loop", integer(0, 1000)).or("0"),
            parameter("width", FRAME_SIDE),
            parameter("height", FRAME_SIDE),
            parameter("fit", Kind::Word(&["clip", "scale", "crop"])).or("clip"),
            ALIGN,
            BACKGROUND.or("transparent"),
        ],
    ),
    task(
        "upscale",
        &[
            parameter("upscale", BOOLEAN).also(&["u"]).or("true"),
            parameter("noise", Kind::Word(&["none", "low", "medium", "high"])).also(&["n"]).or("none"),
            parameter("style", Kind::Word(&["photo", "artwork"])).also(&["s"]).or("photo"),
        ],
    ),
    task("enhance", &[parameter("preset", Kind::Word(ENHANCEMENTS)).or("auto")]),
    task("redeye", &[]),
    task(
        "ascii",
        &[
            BACKGROUND.or("white"),
            parameter("foreground", COLOUR).also(&["f"]).or("black"),
            parameter("colored", BOOLEAN).also(&["c"]).or("false"),
            parameter("size", number(10.0, 100.0)).also(&["s"]).or("100"),
            parameter("reverse", BOOLEAN).also(&["r"]).or("false"),
        ],
    ),
    task(
        "urlscreenshot",
        &[
            parameter("agent", Kind::Word(&["desktop", "mobile"])).or("desktop"),
            parameter("width", pixels(1, 1920)).or("1024"),
            parameter("height", pixels(1, 8000)).or("768"),
            parameter("mode", Kind::Word(&["all", "window"])).or("all"),
            parameter("delay", integer(0, 20_000)).or("1000"),
            parameter("orientation", Kind::Word(&["portrait", "landscape"])).or("portrait"),
            parameter("device", TEXT),
        ],
    ),
    task(
        "qr",
        &[
            parameter("version", integer(1, 40)),
            parameter("error_correction", Kind::Word(&["l", "m", "q", "h"])).or("m"),
            parameter("format", Kind::Word(&["png", "svg", "jpg"])).or("png"),
        ],
    ),
];

const ENHANCEMENTS: &[&str] =
    &["auto", "vivid", "beautify", "beautify_plus", "fix_dark", "fix_noise", "fix_tint", "outdoor", "fireworks"];
