//! Which tasks of the language this engine does.

/// Names of the tasks of spec 11 that work on pictures or on their encoding.
const TASKS: &[&str] = &[
    "animate",
    "ascii",
    "auto_image",
    "blackwhite",
    "blur",
    "blur_faces",
    "border",
    "circle",
    "collage",
    "compress",
    "crop",
    "crop_faces",
    "detect_faces",
    "enhance",
    "flip",
    "flop",
    "imagesize",
    "modulate",
    "monochrome",
    "negative",
    "no_metadata",
    "oil_paint",
    "output",
    "partial_blur",
    "partial_pixelate",
    "pixelate",
    "pixelate_faces",
    "pjpg",
    "polaroid",
    "qr",
    "quality",
    "redeye",
    "resize",
    "rotate",
    "rounded_corners",
    "sepia",
    "shadow",
    "sharpen",
    "smart_crop",
    "text",
    "torn_edges",
    "upscale",
    "vignette",
    "watermark",
];

/// Whether [`crate::run()`] does a task.
pub fn does(task: &str) -> bool {
    TASKS.binary_search(&task).is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_in_order() {
        assert!(super::TASKS.is_sorted());
    }
}
