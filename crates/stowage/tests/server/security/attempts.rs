//! Every request that the table of routes answers: method × body form × way of carrying a policy.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stowage_core::policy::SignedPolicy;
use stowage_server::http::routes::{Operation, Route};

use crate::{
    hostile::encoded,
    support::{Part, client, multipart},
};

/// What a request needs: of each list at least one call.
pub(super) type Calls = &'static [&'static [&'static str]];

/// Builds a request on a file, with a policy or without.
pub(super) type Build = Box<dyn Fn(&str, Option<&SignedPolicy>) -> RequestBuilder>;

pub(super) struct Attempt {
    pub(super) case: String,
    pub(super) calls: Calls,
    pub(super) build: Build,
}

/// Where requests go.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) base: String,
    pub(super) key: String,
    pub(super) remote: String,
}

impl Target {
    fn url(&self, path: &str, query: &str, policy: Option<&SignedPolicy>) -> String {
        let policy = policy.map(pairs).unwrap_or_default();
        format!("{}{path}?{query}&{policy}", self.base)
    }
}

pub(super) fn pairs(policy: &SignedPolicy) -> String {
    format!("policy={}&signature={}", encoded(&policy.policy), policy.signature)
}

fn attempt(
    case: String,
    calls: Calls,
    build: impl Fn(&str, Option<&SignedPolicy>) -> RequestBuilder + 'static,
) -> Attempt {
    Attempt { case, calls, build: Box::new(build) }
}

/// All requests that a row of the table answers with one method.
pub(super) fn attempts(route: &Route, method: &Method, target: &Target) -> Vec<Attempt> {
    let simple = |calls: Calls, query: &'static str| {
        let (target, method, pattern) = (target.clone(), method.clone(), route.pattern);
        let build = move |handle: &str, policy: Option<&SignedPolicy>| {
            let path = fill(pattern, handle);
            client().request(method.clone(), target.url(&path, &query.replace("KEY", &target.key), policy))
        };
        vec![attempt(format!("{:?} {query}", route.operation), calls, build)]
    };
    match route.operation {
        Operation::StoreFile => bodies(route, method, target, &[&["store"]], &[&["store"]]),
        Operation::OverwriteFile => bodies(route, method, target, &[&["write"]], &[&["writeUrl"]]),
        Operation::CopyFile => simple(&[&["store"]], "key=KEY"),
        Operation::ReadFile => [simple(&[&["read"]], ""), simple(&[&["read"]], "base64encode=true&dl=true")]
            .into_iter()
            .flatten()
            .collect(),
        // Without parameters the file is answered, or stored, as it is.
        Operation::ConvertFile if *method == Method::POST => simple(&[&["convert"], &["store"]], "key=KEY"),
        Operation::ConvertFile => simple(&[&["convert"]], ""),
        Operation::ReadMetadata => {
            [simple(&[&["stat"]], ""), simple(&[&["stat"]], "md5=true"), simple(&[&["stat"], &["exif"]], "exif=true")]
                .into_iter()
                .flatten()
                .collect()
        }
        Operation::DeleteFile => [
            simple(&[&["remove"]], ""),
            simple(&[&["remove"]], "skip_storage=true"),
            removal_form(route, method, target),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Operation::Process => process(target),
        Operation::Deliver => deliveries(method, target),
        // A policy that is given must be valid; none is needed (`prefetch.rs`).
        Operation::Prefetch => Vec::new(),
        Operation::StartUpload => starts(target),
        Operation::CreateResumable => resumable(method, target),
        // Whoever knows an upload's id may go on with it (`uploads.rs`).
        Operation::AnnouncePart
        | Operation::ReceivePart
        | Operation::CommitPart
        | Operation::CompleteUpload
        | Operation::ReadResumable
        | Operation::AppendResumable
        | Operation::CancelResumable => Vec::new(),
        Operation::Health | Operation::Ready | Operation::Metrics | Operation::OpenApi => Vec::new(),
    }
}

fn fill(pattern: &str, handle: &str) -> String {
    pattern.replace("{location}", "S3").replace("{handle}", handle).replace("{name}", "name.txt")
}

/// The body forms of spec 01 §1.2, with the policy in the query and, where a form has fields, in the form.
fn bodies(route: &Route, method: &Method, target: &Target, by_content: Calls, by_url: Calls) -> Vec<Attempt> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let remote = target.remote.clone();
    let file: Part<'_> = (r#"name="fileUpload"; filename="a.txt""#, None, b"content");
    let other: Part<'_> = (r#"name="picture"; filename="a.txt""#, None, b"content");
    let field: Part<'_> = (r#"name="url""#, None, remote.as_bytes());
    let (form, file_body) = multipart(&[file]);
    let by_field = multipart(&[field]).1;
    let fixed = [
        ("raw", by_content, "", Some("text/plain"), b"content".to_vec()),
        ("raw without type", by_content, "", None, b"content".to_vec()),
        ("base64", by_content, "base64decode=true", None, b"Y29udGVudA==".to_vec()),
        ("a JSON document", by_content, "", Some("application/json"), b"{}".to_vec()),
        ("a form document", by_content, "", Some(FORM), b"a=b".to_vec()),
        ("fileUpload", by_content, "", Some(form.as_str()), file_body),
        ("another part", by_content, "", Some(form.as_str()), multipart(&[other]).1),
        ("a url field", by_url, "", Some(form.as_str()), by_field),
        ("a urlencoded url", by_url, "", Some(FORM), format!("url={}", encoded(&remote)).into_bytes()),
        ("a JSON url", by_url, "", Some("application/json"), json!({ "url": remote }).to_string().into_bytes()),
        ("a url in the query", by_url, "url=REMOTE", None, Vec::new()),
    ];
    let mut attempts = Vec::new();
    for (case, calls, query, content_type, body) in fixed {
        let (target, method, pattern) = (target.clone(), method.clone(), route.pattern);
        let content_type = content_type.map(str::to_owned);
        let query = format!("key={}&{}", target.key, query.replace("REMOTE", &encoded(&remote)));
        attempts.push(attempt(format!("{case}, policy in the query"), calls, move |handle, policy| {
            let request =
                client().request(method.clone(), target.url(&fill(pattern, handle), &query, policy)).body(body.clone());
            match &content_type {
                Some(content_type) => request.header("Content-Type", content_type),
                None => request,
            }
        }));
    }
    let (chunk_target, chunk_method, pattern) = (target.clone(), method.clone(), route.pattern);
    attempts.push(attempt("chunked, policy in the query".to_owned(), by_content, move |handle, policy| {
        let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>("con"), Ok("tent")]);
        let query = format!("key={}", chunk_target.key);
        client()
            .request(chunk_method.clone(), chunk_target.url(&fill(pattern, handle), &query, policy))
            .body(reqwest::Body::wrap_stream(chunks))
    }));
    let in_fields: [(&str, Calls, FormBody); 4] = [
        ("fileUpload, policy in the form", by_content, |_, policy| {
            multipart_with(policy, (r#"name="fileUpload"; filename="a.txt""#, None, b"content"))
        }),
        ("a url field, policy in the form", by_url, |remote, policy| {
            multipart_with(policy, (r#"name="url""#, None, remote.as_bytes()))
        }),
        ("a urlencoded url, policy in the form", by_url, |remote, policy| {
            (FORM.to_owned(), format!("url={}&{}", encoded(remote), policy.map(pairs).unwrap_or_default()).into_bytes())
        }),
        ("a JSON url, policy in the object", by_url, |remote, policy| {
            let (policy, signature) = policy.map(|policy| (&policy.policy, &policy.signature)).unzip();
            (
                "application/json".to_owned(),
                json!({ "url": remote, "policy": policy, "signature": signature }).to_string().into_bytes(),
            )
        }),
    ];
    for (case, calls, form) in in_fields {
        let (target, method, pattern) = (target.clone(), method.clone(), route.pattern);
        attempts.push(attempt(case.to_owned(), calls, move |handle, policy| {
            let (content_type, body) = form(&target.remote, policy);
            let url = target.url(&fill(pattern, handle), &format!("key={}", target.key), None);
            client().request(method.clone(), url).header("Content-Type", content_type).body(body)
        }));
    }
    attempts
}

/// Either begins an upload (spec 04 §5).
const PICK: Calls = &[&["pick", "store"]];

/// The dialects of `/multipart/start`, with the policy in the body and in the query.
fn starts(target: &Target) -> Vec<Attempt> {
    let dialects = [Dialect::Json, Dialect::Form, Dialect::Urlencoded];
    let cases = dialects.into_iter().flat_map(|dialect| [true, false].map(|in_body| (dialect, in_body)));
    let begin = |(dialect, in_body): (Dialect, bool)| {
        let target = target.clone();
        let case = format!("{dialect:?}, policy in the {}", if in_body { "body" } else { "query" });
        attempt(case, PICK, move |_, policy| {
            let mut fields = vec![("apikey", target.key.as_str()), ("filename", "a.bin"), ("size", "7")];
            if let Some(policy) = policy.filter(|_| in_body) {
                fields.extend([("policy", policy.policy.as_str()), ("signature", policy.signature.as_str())]);
            }
            let url = target.url("/multipart/start", "", policy.filter(|_| !in_body));
            dialect.fill(client().post(url), &fields)
        })
    };
    cases.map(begin).collect()
}

/// Case, headers, body.
type Creation = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// tus and the IETF draft, with and without bytes.
fn resumable(method: &Method, target: &Target) -> Vec<Attempt> {
    let cases: [Creation; 5] = [
        ("tus", &[("Tus-Resumable", "1.0.0"), ("Upload-Length", "7")], ""),
        (
            "tus with bytes",
            &[("Tus-Resumable", "1.0.0"), ("Upload-Length", "7"), ("Content-Type", "application/offset+octet-stream")],
            "content",
        ),
        ("tus, a piece", &[("Tus-Resumable", "1.0.0"), ("Upload-Defer-Length", "1"), ("Upload-Concat", "partial")], ""),
        ("draft", &[("Upload-Draft-Interop-Version", "6"), ("Upload-Complete", "?0")], "con"),
        ("draft, all at once", &[("Upload-Complete", "?1")], "content"),
    ];
    let begin = |(case, headers, body): Creation| {
        let (target, method) = (target.clone(), method.clone());
        attempt(case.to_owned(), PICK, move |_, policy| {
            let url = target.url("/tus", &format!("key={}", target.key), policy);
            let request = client().request(method.clone(), url).body(body);
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        })
    };
    cases.map(begin).into_iter().collect()
}

/// How the fields of a command are written (spec 03 §3.1, 3.2).
#[derive(Clone, Copy, Debug)]
pub(super) enum Dialect {
    Json,
    Form,
    Urlencoded,
}

impl Dialect {
    pub(super) fn fill(self, request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
        match self {
            Self::Json => request.json(&fields.iter().copied().collect::<std::collections::BTreeMap<_, _>>()),
            Self::Form => {
                let names: Vec<String> = fields.iter().map(|(name, _)| format!("name=\"{name}\"")).collect();
                let parts = names.iter().zip(fields).map(|(name, (_, value))| (name.as_str(), None, value.as_bytes()));
                let (content_type, body) = multipart(&parts.collect::<Vec<Part<'_>>>());
                request.header("Content-Type", content_type).body(body)
            }
            Self::Urlencoded => {
                let pairs: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
                request.header("Content-Type", "application/x-www-form-urlencoded").body(pairs.join("&"))
            }
        }
    }
}

/// `Content-Type` and body from a URL and a policy.
type FormBody = fn(&str, Option<&SignedPolicy>) -> (String, Vec<u8>);

fn multipart_with(policy: Option<&SignedPolicy>, last: Part<'_>) -> (String, Vec<u8>) {
    let mut parts: Vec<Part<'_>> = Vec::new();
    if let Some(policy) = policy {
        parts.push((r#"name="policy""#, None, policy.policy.as_bytes()));
        parts.push((r#"name="signature""#, None, policy.signature.as_bytes()));
    }
    parts.push(last);
    multipart(&parts)
}

/// The legacy removal takes its policy from the form.
fn removal_form(route: &Route, method: &Method, target: &Target) -> Vec<Attempt> {
    if *method != Method::POST {
        return Vec::new();
    }
    let (target, pattern) = (target.clone(), route.pattern);
    vec![attempt("policy in the form".to_owned(), &[&["remove"]], move |handle, policy| {
        let body = format!("key={}&{}", target.key, policy.map(pairs).unwrap_or_default());
        client().post(target.url(&fill(pattern, handle), "", None)).body(body)
    })]
}

fn process(target: &Target) -> Vec<Attempt> {
    let command = |target: &Target, tasks: Value| {
        json!({ "apikey": target.key, "sources": [target.remote], "tasks": tasks }).to_string()
    };
    let (by_task, by_query) = (target.clone(), target.clone());
    vec![
        attempt("policy in a task".to_owned(), &[&["store"]], move |_, policy| {
            let mut tasks = vec![json!({ "name": "store", "params": { "path": "in/" } })];
            tasks.extend(policy.map(|policy| json!({ "name": "security", "params": policy })));
            client().post(by_task.url("/process", "", None)).body(command(&by_task, json!(tasks)))
        }),
        attempt("policy in the query".to_owned(), &[&["store"]], move |_, policy| {
            client().post(by_query.url("/process", "", policy)).body(command(&by_query, json!([{ "name": "store" }])))
        }),
    ]
}

/// The delivery grammar, with the policy in the query and in a segment.
fn deliveries(method: &Method, target: &Target) -> Vec<Attempt> {
    const READ: Calls = &[&["read"]];
    const STORE: Calls = &[&["store"]];
    const STAT: Calls = &[&["stat"]];
    const SHAPE: Calls = &[&["read", "convert"]];
    const SHAPE_AND_STORE: Calls = &[&["read", "convert"], &["store"]];
    let paths: [(&str, Calls); 14] = [
        ("/SECURITY/HANDLE", READ),
        ("/KEY/SECURITY/HANDLE", READ),
        ("/SECURITY/HANDLE+txt", READ),
        ("/SECURITY/HANDLE/metadata", STAT),
        ("/SECURITY/metadata/HANDLE", STAT),
        ("/KEY/metadata=[size,md5]/SECURITY/HANDLE", STAT),
        ("/metadata=[exif]/SECURITY/HANDLE", &[&["stat"], &["exif"]]),
        ("/cache=expiry:60/SECURITY/HANDLE", SHAPE),
        ("/content=filename:b.txt/SECURITY/HANDLE", SHAPE),
        ("/store/SECURITY/HANDLE", STORE),
        ("/KEY/SECURITY/store=path:%22in/%22/HANDLE", STORE),
        ("/KEY/SECURITY/store/REMOTE", STORE),
        ("/KEY/SECURITY/store/%22REMOTE%22", STORE),
        ("/cache=expiry:60/SECURITY/store/HANDLE", SHAPE_AND_STORE),
    ];
    let mut attempts = Vec::new();
    for (path, calls) in paths {
        for in_path in [true, false] {
            let (target, method) = (target.clone(), method.clone());
            let case = format!("{path}, policy in the {}", if in_path { "path" } else { "query" });
            attempts.push(attempt(case, calls, move |handle, policy| {
                let segment = match policy.filter(|_| in_path) {
                    Some(policy) => format!("security=policy:{},signature:{}", policy.policy, policy.signature),
                    None => String::new(),
                };
                let remote = target.remote.replace('/', "%2F");
                let path = path
                    .replace("SECURITY", &segment)
                    .replace("HANDLE", handle)
                    .replace("KEY", &target.key)
                    .replace("REMOTE", &remote);
                client().request(method.clone(), target.url(&path, "", policy.filter(|_| !in_path)))
            }));
        }
    }
    attempts
}
