//! Requests about an upload that has begun: its id is the key to it, and everything else that is shown must be right (spec 03 §11,
//! threats C7 and C9). Generated from the table of routes: a new operation does not compile here until somebody says how to attack it.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use stowage_core::policy::SignedPolicy;
use stowage_server::http::routes::{Needs, Operation, ROUTES, Route};

use super::{
    attempts::{Dialect, pairs},
    matrix::sign,
};
use crate::support::{App, HttpAnswer, Stowage, client, get, send, server, text_of};

/// What a request shows.
struct Shown<'a> {
    id: &'a str,
    key: &'a str,
    policy: Option<&'a SignedPolicy>,
}

type Build = Box<dyn Fn(&str, &Shown<'_>) -> RequestBuilder>;

/// Every form of the requests that a row answers.
fn forms(route: &'static Route, method: &'static Method) -> Vec<(String, Build)> {
    match route.operation {
        Operation::AnnouncePart => commands(route, &[("part", "1"), ("size", "7")]),
        Operation::CommitPart => commands(route, &[("part", "1"), ("size", "7"), ("fii", "true")]),
        Operation::CompleteUpload => commands(route, &[("filename", "a.bin"), ("size", "7")]),
        Operation::ReceivePart => vec![("bytes".to_owned(), Box::new(part))],
        Operation::ReadResumable | Operation::CancelResumable => resumable(route, method, &[], ""),
        Operation::AppendResumable => resumable(route, method, &[("Upload-Offset", "0")], "content"),
        Operation::StoreFile
        | Operation::CopyFile
        | Operation::ConvertFile
        | Operation::ReadFile
        | Operation::ReadMetadata
        | Operation::OverwriteFile
        | Operation::DeleteFile
        | Operation::Prefetch
        | Operation::StartUpload
        | Operation::CreateResumable
        | Operation::Process
        | Operation::Deliver
        | Operation::Health
        | Operation::Ready
        | Operation::Metrics
        | Operation::OpenApi => Vec::new(),
    }
}

fn commands(route: &'static Route, fields: &'static [(&str, &str)]) -> Vec<(String, Build)> {
    let dialects = [Dialect::Json, Dialect::Form, Dialect::Urlencoded];
    let cases = dialects.into_iter().flat_map(|dialect| [true, false].map(|in_body| (dialect, in_body)));
    let form = |(dialect, in_body): (Dialect, bool)| {
        let build = move |base: &str, shown: &Shown<'_>| {
            let mut fields = [fields, &[("apikey", shown.key), ("upload_id", shown.id)]].concat();
            let mut url = format!("{base}{}", route.pattern);
            match shown.policy {
                Some(policy) if in_body => {
                    fields.extend([("policy", policy.policy.as_str()), ("signature", policy.signature.as_str())]);
                }
                Some(policy) => url += &format!("?{}", pairs(policy)),
                None => {}
            }
            dialect.fill(client().post(url), &fields)
        };
        let case = format!("{dialect:?}, policy in the {}", if in_body { "body" } else { "query" });
        (case, Box::new(build) as Build)
    };
    cases.map(form).collect()
}

fn part(base: &str, shown: &Shown<'_>) -> RequestBuilder {
    client().put(format!("{base}/multipart/part/{}/1?size=7", shown.id)).body("content")
}

fn resumable(
    route: &'static Route,
    method: &'static Method,
    headers: &'static [(&str, &str)],
    body: &'static str,
) -> Vec<(String, Build)> {
    let protocols: [(&str, &[(&str, &str)]); 2] = [
        ("tus", &[("Tus-Resumable", "1.0.0"), ("Content-Type", "application/offset+octet-stream")]),
        (
            "draft",
            &[
                ("Upload-Draft-Interop-Version", "6"),
                ("Upload-Complete", "?0"),
                ("Content-Type", "application/partial-upload"),
            ],
        ),
    ];
    let form = |(case, protocol): (&str, &'static [(&str, &str)])| {
        let build = move |base: &str, shown: &Shown<'_>| {
            let path = route.pattern.replace("{upload}", shown.id);
            let policy = shown.policy.map(pairs).unwrap_or_default();
            let url = format!("{base}{path}?key={}&{policy}", shown.key);
            let request = client().request(method.clone(), url).body(body);
            let headers = protocol.iter().chain(headers);
            headers.fold(request, |request, (name, value)| request.header(*name, *value))
        };
        (case.to_owned(), Box::new(build) as Build)
    };
    protocols.map(form).into_iter().collect()
}

/// Policies that are worse than none. An expired one is not: expiry is judged when the upload begins, so that long ones survive.
fn wrong(app: &App, other: &App) -> Vec<(&'static str, SignedPolicy)> {
    let good = json!({ "expiry": 4_102_444_800_u64, "call": ["pick", "store"] });
    let right = sign(app, &good);
    let signature = |signature: &str| SignedPolicy { policy: right.policy.clone(), signature: signature.to_owned() };
    vec![
        ("another app's policy", sign(other, &good)),
        ("a wrong signature", signature(&"0".repeat(64))),
        ("half a signature", signature(&right.signature[..32])),
        ("no signature", signature("")),
        ("a policy without expiry", sign(app, &json!({ "call": ["pick"] }))),
        ("other calls", sign(app, &json!({ "expiry": 4_102_444_800_u64, "call": ["read", "convert", "write"] }))),
        ("another app's expired policy", sign(other, &json!({ "expiry": 1, "call": ["pick"] }))),
    ]
}

async fn begin(server: &Stowage, app: &App) -> String {
    let policy = sign(app, &json!({ "expiry": 4_102_444_800_u64, "call": ["pick"] }));
    let body = json!({ "apikey": app.key, "filename": "a.bin", "size": 7, "policy": policy.policy,
        "signature": policy.signature });
    let begun = send(client().post(format!("{}/multipart/start", server.url())).json(&body)).await.expect(200).json();
    text_of(&begun, "upload_id").to_owned()
}

async fn progress(server: &Stowage, id: &str) -> HttpAnswer {
    get(server, &format!("/tus/{id}")).await.expect(200)
}

#[tokio::test]
async fn nobody_goes_on_with_an_upload_of_others() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let other = server.app("other", &["--security"]);
    let id = begin(&server, &app).await;
    let unknown = ["0123456789abcdef0123456789abcdef", "..%2f..%2fcatalogue", "x", &id.to_uppercase(), &id[..31]];
    let before = progress(&server, &id).await.json();
    let mut tried = 0;
    for route in ROUTES {
        for method in route.methods {
            let forms = forms(route, method);
            assert_eq!(forms.is_empty(), !matches!(route.needs, Needs::Upload(_)), "{route:?} must be tried");
            for (form, build) in forms {
                let ask = async |what: &str, shown: Shown<'_>, status: u16| {
                    let answer = send(build(server.url(), &shown)).await;
                    assert_eq!(answer.status, status, "{method} {} as {form} with {what}: {answer:?}", route.pattern);
                };
                for id in unknown {
                    ask(&format!("the id {id}"), Shown { id, key: &app.key, policy: None }, 404).await;
                }
                // The address of a part names no app.
                let Needs::Upload([_, ..]) = route.needs else { continue };
                ask("another app's key", Shown { id: &id, key: &other.key, policy: None }, 404).await;
                for (what, policy) in wrong(&app, &other) {
                    ask(what, Shown { id: &id, key: &app.key, policy: Some(&policy) }, 403).await;
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried}");
    assert_eq!(progress(&server, &id).await.json()["received"], before["received"], "a refused request left bytes");
    // It goes on: without a policy, and with one that has expired meanwhile.
    let expired = sign(&app, &json!({ "expiry": 1, "call": ["pick"] }));
    for policy in [None, Some(&expired)] {
        let id = begin(&server, &app).await;
        for operation in
            [Operation::ReceivePart, Operation::AnnouncePart, Operation::CommitPart, Operation::CompleteUpload]
        {
            for route in ROUTES.iter().filter(|route| route.operation == operation) {
                for (_, build) in forms(route, &route.methods[0]) {
                    send(build(server.url(), &Shown { id: &id, key: &app.key, policy })).await.expect(200);
                }
            }
        }
    }
}
