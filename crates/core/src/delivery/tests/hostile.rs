//! What is no sentence of the grammar, and what an attacker would try (threats D4, D6).

use super::*;
use proptest::prelude::*;

#[test]
fn nonsense_is_refused_with_a_reason() {
    for (path, reason) in [
        ("", "names no file"),
        ("/", "names no file"),
        ("/debug", "names no file"),
        ("/{KEY}", "invalid source"),
        ("/{KEY}/", "invalid source"),
        ("/{KEY}/security=p:P,s:S/", "names no file"),
        ("/heigt=1/{H}", "invalid task `heigt`"),
        ("/{KEY}/{H}/x.jpg", "invalid source"),
        ("/{KEY}/ftp://e.com/a", "invalid source"),
        ("/{KEY}/https://", "invalid source"),
        ("/{KEY}/https%3A%2F%2Fe.com%2F%0d%0aX", "invalid source"),
        ("/{KEY}/src://", "invalid source"),
        ("/{KEY}/src://alias/../../etc/passwd", "invalid source"),
        ("/{KEY}/src://alias/%2e%2e/x", "invalid source"),
        ("/{KEY}/wf://a.b", "invalid source"),
        ("/{KEY}/[]", "list of sources is empty"),
        ("/{KEY}/[{H}", "invalid source"),
        ("/{KEY}/\"{H}\"x", "invalid source"),
        ("/b64/%21/{H}", "behind `b64`"),
        ("/b64/W10x/{H}", "behind `b64`"),
        ("/b64/W3sibmFtZSI6Im5vcGUifV0=/{H}", "invalid task `nope`"),
        ("/b64://YjY0Oi8vWVE9PQ==", "base64 source holds another"),
        ("/b64://!", "invalid source"),
        ("/resize=width:\"1/{H}", "does not close"),
        ("/crop=dim:[1,2/{H}", "does not close"),
    ] {
        let message = refusal(path);
        assert!(message.contains(reason), "{path}: {message}");
    }
}

#[test]
fn size_count_and_depth_are_capped() {
    assert!(refusal(&format!("/{}", "a".repeat(MAX_PATH_BYTES))).contains("bytes"));
    assert!(parse(&format!("/{H}"), Some(&"a".repeat(MAX_PATH_BYTES + 1))).is_err());
    let most = format!("/{}{H}", "flip/".repeat(MAX_TASKS));
    assert_eq!(read(&most).tasks.len(), MAX_TASKS);
    assert!(refusal(&format!("/flip{most}")).contains("at most 50 tasks"));
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&format!("/crop=dim:{}/{H}", nested(MAX_LIST_DEPTH)), None).is_ok());
    assert!(refusal(&format!("/crop=dim:{}/{H}", nested(MAX_LIST_DEPTH + 1))).contains("nest"));
    let sources = format!("/{}{H}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(refusal(&sources).contains("nest"));
}

#[test]
fn messages_show_little_of_the_path() {
    let message = refusal(&format!("/{KEY}/{}\u{1b}[2J", "é".repeat(500)));
    assert!(message.chars().count() < 200 && !message.contains(char::is_control));
}

/// Pieces that mean something to the grammar, in any order.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = [
        "/",
        "%2F",
        "=",
        "%3D",
        ":",
        "%3A",
        ",",
        "%2C",
        "\"",
        "%22",
        "[",
        "%5B",
        "]",
        "%5D",
        "+",
        "%2B",
        "&",
        "?",
        "%",
        "%zz",
        "é",
        "..",
        "resize",
        "store=path:a",
        "security=s:S,p:",
        "security=policy:",
        ",signature:",
        "b64",
        "b64://",
        "NWFZa0VRSlNRQ21ZU2hzb0NuWk4=",
        "https://",
        "https%3A",
        "src://",
        "wf://",
        "debug",
        "file",
        "metadata",
        "video_convert",
        "filestackcontent",
        "5c0f33cc9c464e16592b7a01f6f8f5c1",
        H,
        KEY,
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..16).prop_map(|pieces| pieces.concat())
}

/// No source that was read can lead out of its place.
fn is_sound(source: &Source) -> bool {
    match source {
        Source::Handle(_) | Source::None => true,
        Source::Url(url) => {
            (url.starts_with("http://") || url.starts_with("https://")) && !url.contains(char::is_control)
        }
        Source::Alias(alias) => !alias.split('/').any(|segment| segment == ".."),
        Source::Workflow(result) => result.starts_with("wf://") && !result.contains('.'),
        Source::List(members) => !members.is_empty() && members.iter().all(is_sound),
    }
}

proptest! {
    #[test]
    fn any_path_is_read_or_refused(path in prop_oneof![any::<String>(), hostile()], query in proptest::option::of(hostile())) {
        if let Ok(read) = parse(&path, query.as_deref()) {
            prop_assert!(is_sound(&read.source));
            prop_assert!(read.tasks.len() <= MAX_TASKS);
            prop_assert!(read.tasks.iter().all(|task| is_task_name(&task.name)));
        }
    }

    #[test]
    fn quoted_text_values_come_back(value in "[^\"]{0,40}") {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let encoded = utf8_percent_encode(&value, NON_ALPHANUMERIC);
        let path = read(&format!("/content=filename:\"{encoded}\",type:x/{H}"));
        prop_assert_eq!(path.tasks[0].text(&["filename"]), Some(value.as_str()));
    }
}
