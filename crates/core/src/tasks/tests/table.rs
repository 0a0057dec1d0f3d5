//! The table agrees with itself.

use super::{super::table::definitions, *};

#[test]
fn names_are_unambiguous_and_defaults_are_values() {
    let mut names = BTreeSet::new();
    for definition in definitions() {
        for name in [definition.name].iter().chain(definition.aliases) {
            assert!(names.insert(*name), "{name} is there twice");
            assert_eq!(find(name).map(|found| found.name), Some(definition.name), "{name}");
            assert_eq!(find(&name.to_uppercase()).map(|found| found.name), Some(definition.name), "{name}");
        }
        let mut parameters = BTreeSet::new();
        for parameter in definition.parameters {
            for name in [parameter.name].iter().chain(parameter.aliases) {
                assert!(parameters.insert(*name), "{name} of {} is there twice", definition.name);
            }
            assert_eq!(parameter.default.is_some(), parameter.default_value().is_some(), "{parameter:?}");
        }
        for name in definition.required.iter().chain(definition.any_of) {
            assert!(parameters.contains(name), "{name} of {}", definition.name);
        }
    }
}

/// Spec 10 §10.
#[test]
fn every_task_of_the_specification_is_there() {
    let listed = "resize crop rotate flip flop watermark detect_faces crop_faces pixelate_faces blur_faces smart_crop \
        rounded_corners vignette polaroid torn_edges shadow circle border sharpen blur monochrome blackwhite sepia \
        pixelate oil_paint negative modulate partial_pixelate partial_blur collage upscale enhance redeye ascii animate \
        urlscreenshot imagesize quality compress no_metadata auto_image pjpg output pdfinfo pdfconvert pdfcreate \
        doc_to_images slide qr zip minify_css minify_js video_convert video_playlist tags sfw ocr caption copyright \
        image_sentiment text_sentiment doc_detection run_workflow workflow_status preview metadata content cache store \
        security fallback debug";
    // Ours.
    let listed: BTreeSet<&str> = listed.split_ascii_whitespace().chain(["preset", "text"]).collect();
    assert_eq!(definitions().map(|definition| definition.name).collect::<BTreeSet<_>>(), listed);
    for absent in ["audio_convert", "fjpg", "jpegquality", "progressive", "render", "dataurl", "exif", "docinfo"] {
        assert!(find(absent).is_none(), "{absent}");
    }
}
