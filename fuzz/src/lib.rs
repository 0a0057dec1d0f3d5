//! The bodies of the fuzz targets: each takes any bytes and panics only when an invariant of the code under test is broken.
//! libFuzzer drives them on nightly; `tests/replay.rs` drives them with the corpus on stable.

mod body;
mod picture;

pub use body::{base64, multipart};
use percent_encoding::percent_decode_str;
pub use picture::picture;
use stowage_core::{
    delivery::{self, Source},
    disposition::{Disposition, filename_of, header_value},
    filename::FileName,
    handle::{AppSecret, Handle},
    policy::{Call, PatternAnchoring, Policy, PolicyError, sign, signature_of},
    range::{self, ByteRange, RangeRequest},
    storage_path::StoragePath,
    tasks::Chain,
};
use stowage_server::api::tus::headers::{self, Concat, Metadata};

/// A fuzz target's body.
pub type Target = fn(&[u8]);

/// Every target with the name of its corpus directory.
pub const TARGETS: &[(&str, Target)] = &[
    ("policy", policy),
    ("disposition", disposition),
    ("storage_path", storage_path),
    ("range", range),
    ("delivery_path", delivery_path),
    ("tasks", tasks),
    ("multipart", multipart),
    ("base64", base64),
    ("tus_headers", tus_headers),
    ("picture", picture),
];

/// The secret that the seeds of the `policy` corpus are signed with (spec 04 §9).
const SECRET: &str = "Y5IXBFZ7EXAMPLESECRET2345";
/// A moment before the expiry of most vectors, unix seconds.
const NOW: f64 = 1_800_000_000.0;

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Input: the policy text, a line feed, the signature.
/// Nothing but the right signature opens a policy, and rightly signed nonsense is refused politely.
pub fn policy(data: &[u8]) {
    let input = text(data);
    let (policy, signature) = input.split_once('\n').unwrap_or((&input, ""));
    let secret = AppSecret::new(SECRET.to_owned());
    let verify = |policy: &str, signature: &str| {
        let anchoring = PatternAnchoring::Compatible;
        Policy::verify(&secret, policy, signature, NOW, anchoring)
    };

    let right = signature_of(&secret, policy);
    let right_of_restored = signature_of(&secret, &policy.replace(' ', "+"));
    let forged = ![right.as_str(), right_of_restored.as_str()].contains(&signature.to_ascii_lowercase().as_str());
    if forged {
        let refusal = verify(policy, signature).expect_err("a forged signature was accepted");
        assert!(matches!(refusal, PolicyError::Missing | PolicyError::BadSignature | PolicyError::Malformed(_)));
        assert!(!refusal.to_string().contains(&right));
    }
    let as_json = sign(&secret, policy);
    for verified in [verify(policy, &right), verify(&as_json.policy, &as_json.signature)].into_iter().flatten() {
        exercise(&verified);
    }
}

/// Asks a verified policy everything; what it says must not contradict itself.
fn exercise(policy: &Policy) {
    let handle = Handle::parse("7xSJALUhSlCDCNujt5Ku").expect("20 characters");
    if policy.check_may_create().is_ok() {
        assert!(policy.check_handle(&handle).is_ok(), "no handle key binds nothing");
    }
    assert_eq!(policy.check_path(None), policy.check_path(Some("/")));
    assert_eq!(policy.check_path(Some("a/b")), policy.check_path(Some("/a/b")));
    let _ = policy.check_container("bucket");
    let _ = policy.check_url("https://img.example.com/a.png?x=1");
    assert_eq!(
        policy.allow_any(&[Call::Pick, Call::Exif]).is_ok(),
        policy.allow(Call::Pick).is_ok() || policy.allow(Call::Exif).is_ok()
    );
}

/// Input: a header value, then taken as a file name.
/// Whatever is written is visible ASCII and reads back.
pub fn disposition(data: &[u8]) {
    let input = text(data);
    if let Some(name) = filename_of(&input) {
        assert!(!name.is_empty());
        write_and_read_back(&name);
        if let Some(hint) = FileName::from_hint(&name) {
            let name = hint.as_str();
            assert!((1..=255).contains(&name.len()));
            assert!(!name.contains(['/', '\\']) && !name.contains(char::is_control));
        }
    }
    write_and_read_back(&input);
}

fn write_and_read_back(name: &str) {
    for disposition in [Disposition::Inline, Disposition::Attachment] {
        let header = header_value(disposition, name);
        assert!(header.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{header:?}");
        let printable = name.replace(char::is_control, "_");
        assert_eq!(filename_of(&header).unwrap_or_default(), printable);
    }
}

/// Input: a requested path.
/// What is accepted stays below its root however often it is decoded.
pub fn storage_path(data: &[u8]) {
    let Ok(Some(path)) = StoragePath::parse(&text(data)) else {
        return;
    };
    assert_eq!(StoragePath::parse(path.as_str()), Ok(Some(path.clone())));
    let mut current = path.as_str().to_owned();
    loop {
        assert!(!current.starts_with('/') && !current.contains('\\'), "{current:?}");
        assert!(!current.contains(char::is_control), "{current:?}");
        let mut segments = current.strip_suffix('/').unwrap_or(&current).split('/');
        assert!(segments.all(|segment| !matches!(segment, "" | "." | "..")), "{current:?}");
        let decoded = percent_decode_str(&current).decode_utf8();
        let decoded = decoded.expect("an accepted path decodes to UTF-8").into_owned();
        if decoded == current {
            break;
        }
        current = decoded;
    }
}

/// Input: the size of the file in decimal, a line feed, the header value.
/// Answers lie inside the file, and several of them apart.
pub fn range(data: &[u8]) {
    let input = text(data);
    let Some((size, header)) = input.split_once('\n') else {
        return;
    };
    let Ok(size) = size.parse() else { return };
    let is_inside = |range: &ByteRange| range.start <= range.end && range.end < size;
    match range::parse(header, size) {
        RangeRequest::Whole | RangeRequest::Unsatisfiable => {}
        RangeRequest::Single(range) => assert!(is_inside(&range)),
        RangeRequest::Multiple(mut ranges) => {
            assert!((2..=range::MAX_RANGES).contains(&ranges.len()));
            assert!(ranges.iter().all(is_inside));
            ranges.sort_by_key(|range| range.start);
            let apart = |pair: &[ByteRange]| pair[1].start - pair[0].end > 1;
            assert!(ranges.windows(2).all(apart));
        }
    }
}

/// Input: a raw path, optionally with a query.
/// What is accepted keeps the limits and names no way out of its place.
pub fn delivery_path(data: &[u8]) {
    let input = text(data);
    let (path, query) = match input.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (input.as_str(), None),
    };
    let read = match delivery::parse(path, query) {
        Ok(read) => read,
        Err(refusal) => {
            let message = refusal.to_string();
            assert!(!message.is_empty() && !message.contains(char::is_control));
            return;
        }
    };
    assert!(read.tasks.len() <= delivery::MAX_TASKS);
    for task in &read.tasks {
        assert!(delivery::is_task_name(&task.name));
        assert!(!matches!(task.name.as_str(), "security" | "debug"));
    }
    assert_sound(&read.source);
}

/// Input: a raw path.
/// Tasks that fit the table have a canonical form that means the same and stays the same.
pub fn tasks(data: &[u8]) {
    let Ok(read) = delivery::parse(&text(data), None) else { return };
    let chain = match Chain::read(&read.tasks) {
        Ok(chain) => chain,
        Err(refusal) => {
            let message = refusal.to_string();
            assert!(!message.is_empty() && !message.contains(char::is_control));
            return;
        }
    };
    let canonical = chain.canonical();
    let path = format!("/{canonical}/7xSJALUhSlCDCNujt5Ku");
    // Encoding makes some texts longer than a path may be.
    if path.len() > delivery::MAX_PATH_BYTES {
        return;
    }
    let again = delivery::parse(&path, None).expect("a canonical form is a path");
    assert!(matches!(again.source, Source::Handle(_)), "{path}");
    let again = Chain::read(&again.tasks).expect("a canonical form fits the table");
    assert_eq!(again.canonical(), canonical);
    assert_eq!(again, chain, "{path}");
}

fn assert_sound(source: &Source) {
    match source {
        Source::Handle(_) | Source::None => {}
        Source::Url(url) => {
            assert!(url.starts_with("http://") || url.starts_with("https://"));
            assert!(!url.contains(char::is_control));
        }
        Source::Alias(alias) => {
            let path = alias.strip_prefix("src://").expect("the scheme stays");
            assert!(matches!(StoragePath::parse(path), Ok(Some(_))));
        }
        Source::Workflow(result) => {
            assert!(result.starts_with("wf://") && !result.contains('.'));
        }
        Source::List(members) => {
            assert!(!members.is_empty());
            members.iter().for_each(assert_sound);
        }
    }
}

/// Input: the value of any header of tus.
/// What is accepted is what the protocol says: digits, keys that come once, ids of one path segment.
pub fn tus_headers(data: &[u8]) {
    let input = text(data);
    if let Ok(length) = headers::length(&input) {
        assert!(input.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(input.trim_start_matches('0'), if length == 0 { String::new() } else { length.to_string() });
    }
    if let Ok(metadata) = Metadata::parse(&input) {
        let mut keys: Vec<&str> = metadata.pairs().iter().map(|(key, _)| key.as_str()).collect();
        assert!(
            keys.iter().all(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','))
        );
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), metadata.pairs().len());
    }
    if let Ok(Concat::Final(ids)) = Concat::parse(&input) {
        assert!(!ids.is_empty() && ids.iter().all(|id| !id.is_empty() && !id.contains(['/', '?', '#'])));
    }
    if headers::checksum(&input).is_ok() {
        assert!(input.contains(' '));
    }
}
