//! What a file holds, and workflows (spec 14, 10 §6.8).

use super::{BOOLEAN, Definition, Kind, TEXT, integer, parameter, task};

const LANGUAGES: &[&str] = &["auto", "en", "es", "fr", "de", "it", "pt", "ar", "hi", "ja", "ko", "zh", "zh-tw"];

pub(super) const TASKS: &[Definition] = &[
    task("tags", &[parameter("version", integer(1, 2)).also(&["v"]).or("2")]),
    task("sfw", &[]),
    task("ocr", &[]),
    task("caption", &[]),
    task("copyright", &[]),
    task("image_sentiment", &[]).also(&["imagesentiment"]),
    task("text_sentiment", &[parameter("text", TEXT), parameter("language", Kind::Word(LANGUAGES)).or("auto")])
        .requiring(&["text"]),
    task("doc_detection", &[parameter("coords", BOOLEAN).or("false"), parameter("preprocess", BOOLEAN).or("true")]),
    task("run_workflow", &[parameter("id", TEXT)]).requiring(&["id"]),
    task("workflow_status", &[parameter("job_id", TEXT)]).requiring(&["job_id"]),
];
