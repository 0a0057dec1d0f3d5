//! The sentences of spec 10 §7.

use super::*;

#[test]
fn what_does_not_fit_the_table_is_named() {
    for (tasks, parameter, task) in [
        ("resize=heigt:10", "heigt", "resize"),
        ("resize=100x200", "100x200", "resize"),
        ("resize=w:10001", "width", "resize"),
        ("resize=w:-1", "width", "resize"),
        ("resize=w:1e3", "width", "resize"),
        ("resize=w:inf", "width", "resize"),
        ("resize=w:[1,2]", "width", "resize"),
        ("resize=w", "width", "resize"),
        ("resize=w:1,w:x", "width", "resize"),
        ("resize=w:1,fit:stretch", "fit", "resize"),
        ("resize=w:1,align:[left,top]", "align", "resize"),
        ("resize=w:1,align:[top,left,top]", "align", "resize"),
        ("watermark=file:{H2},position:faces", "position", "watermark"),
        ("text=text:a,size:0", "size", "text"),
        ("text=text:a,size:1001", "size", "text"),
        ("text=text:a,align:faces", "align", "text"),
        ("text=text:a,padding:-1", "padding", "text"),
        ("crop=dim:[1,2,3]", "dim", "crop"),
        ("crop=dim:[1,2,0,4]", "dim", "crop"),
        ("crop=dim:[-1,2,3,4]", "dim", "crop"),
        ("crop=dim:[1,2,3.5,4]", "dim", "crop"),
        ("crop=x:1,y:1", "dim", "crop"),
        ("rotate=deg:360", "deg", "rotate"),
        ("rotate=background:reddish", "background", "rotate"),
        ("border=color:12345", "color", "border"),
        ("border=color:gray101", "color", "border"),
        ("border=color:gray4294967295", "color", "border"),
        ("quality=value:0", "value", "quality"),
        ("quality=value:80.5", "value", "quality"),
        ("output=format:exe", "format", "output"),
        ("output=compress:yes", "compress", "output"),
        ("partial_blur=objects:[1,2,3,4]", "objects", "partial_blur"),
        ("torn_edges=spread:[1]", "spread", "torn_edges"),
        ("pdfconvert=pages:[0]", "pages", "pdfconvert"),
        ("pdfconvert=pages:5-3", "pages", "pdfconvert"),
        ("pdfconvert=pages:-", "pages", "pdfconvert"),
        ("video_convert=clip_length:00:61", "clip_length", "video_convert"),
        ("flip=x", "x", "flip"),
        ("cache=expiry:0", "expiry", "cache"),
        ("fallback=handle:{H2},cache:31536001", "cache", "fallback"),
        ("store=base64decode:perhaps", "base64decode", "store"),
        ("flip/blur=amount:much", "amount", "blur"),
    ] {
        assert_eq!(refusal(tasks), format!("invalid parameter `{parameter}` for `{task}` task"), "{tasks}");
    }
    let workflows = |from: u8| (from..from + 15).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let many = format!("store=workflows:[{}]/store=workflows:[{}]", workflows(0), workflows(10));
    assert_eq!(refusal(&many), "invalid parameter `workflows` for `store` task");
    let many = format!("partial_blur=objects:[{}]", ["[1,1,1,1]"; 51].join(","));
    assert_eq!(refusal(&many), "invalid parameter `objects` for `partial_blur` task");
    let long = format!("text=text:{}", "é".repeat(501));
    assert_eq!(refusal(&long), "invalid parameter `text` for `text` task");
}

#[test]
fn what_is_missing_is_named() {
    for (tasks, sentence) in [
        ("resize", "missing parameter `width` or `height` for `resize` task"),
        ("resize=fit:crop,w:0", "missing parameter `width` or `height` for `resize` task"),
        ("resize=width:", "missing parameter `width` or `height` for `resize` task"),
        ("crop", "missing parameter `dim` for `crop` task"),
        ("partial_blur=objects:[]", "missing parameter `objects` for `partial_blur` task"),
        ("collage=files:[a],w:1", "missing parameter `height` for `collage` task"),
        ("pdfconvert", "missing parameter `pageorientation` or `pageformat` or `pages` for `pdfconvert` task"),
        ("fallback", "missing parameter `handle` for `fallback` task"),
    ] {
        assert_eq!(refusal(tasks), sentence, "{tasks}");
    }
}

#[test]
fn an_unknown_name_is_short_in_the_sentence() {
    let unknown = delivery::Task { name: "nope".to_owned(), params: Vec::new() };
    assert_eq!(Task::read(&unknown).expect_err("no such task").to_string(), "invalid task `nope`");
    let long = refusal(&format!("flip={}%0a:1", "é".repeat(300)));
    assert!(long.chars().count() < 120 && !long.contains(char::is_control), "{long}");
}
