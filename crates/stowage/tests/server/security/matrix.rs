//! Every route × method × body form × way of carrying a policy × wrong policy. Generated from the table of routes: a new operation
//! does not compile here until somebody says what it needs.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use stowage_core::{
    handle::AppSecret,
    policy::{self, SignedPolicy},
};
use stowage_server::http::routes::{DELIVERY, Needs, Operation, ROUTES, Route};
use stowage_testkit::{Origin, Reply};

use super::attempts::{Calls, Target, attempts, pairs};
use crate::{
    hostile::{files_stored, objects},
    support::{App, HttpAnswer, Stowage, client, send, server_with, store, text_of},
};

/// Every call of spec 04 §4 that a policy can list, old names left out.
const CALLS: [&str; 10] =
    ["pick", "read", "stat", "write", "writeUrl", "store", "convert", "remove", "exif", "runWorkflow"];

pub(super) fn sign(app: &App, policy: &Value) -> SignedPolicy {
    policy::sign(&AppSecret::new(app.secret.clone()), &policy.to_string())
}

/// The smallest policy that suffices.
fn sufficient(app: &App, calls: Calls) -> SignedPolicy {
    let calls: Vec<&str> = calls.iter().map(|any| any[0]).collect();
    sign(app, &json!({ "expiry": 4_102_444_800_u64, "call": calls }))
}

/// Every policy that must not suffice.
fn insufficient(app: &App, other: &App, calls: Calls) -> Vec<(String, Option<SignedPolicy>)> {
    let right = sufficient(app, calls);
    let flipped = match right.signature.as_bytes()[0] {
        b'0' => right.signature.replacen('0', "1", 1),
        digit => right.signature.replacen(char::from(digit), "0", 1),
    };
    let wrong = |signature: String| Some(SignedPolicy { policy: right.policy.clone(), signature });
    let with = |policy: Value| Some(sign(app, &policy));
    let mut policies = vec![
        ("no policy".to_owned(), None),
        ("an empty policy".to_owned(), Some(SignedPolicy { policy: String::new(), signature: String::new() })),
        ("a wrong signature".to_owned(), wrong(flipped)),
        ("half a signature".to_owned(), wrong(right.signature[..32].to_owned())),
        ("a signature that is none".to_owned(), wrong("signature".to_owned())),
        ("no signature".to_owned(), wrong(String::new())),
        ("an expired policy".to_owned(), with(json!({ "expiry": 1_500_000_000, "call": CALLS }))),
        ("a policy without expiry".to_owned(), with(json!({ "call": CALLS }))),
        ("an empty list of calls".to_owned(), with(json!({ "expiry": 4_102_444_800_u64, "call": [] }))),
        ("another app's policy".to_owned(), Some(sufficient(other, calls))),
        (
            "a policy for another handle".to_owned(),
            with(json!({ "expiry": 4_102_444_800_u64, "call": CALLS, "handle": "AAAAAAAAAAAAAAAAAAAA" })),
        ),
        ("a pattern that is none".to_owned(), with(json!({ "expiry": 4_102_444_800_u64, "call": CALLS, "path": "(" }))),
    ];
    for needed in calls {
        let others: Vec<&str> = CALLS.into_iter().filter(|call| !needed.contains(call)).collect();
        let name = format!("every call but {needed:?}");
        policies.push((name, with(json!({ "expiry": 4_102_444_800_u64, "call": others }))));
    }
    policies
}

/// What must not change through a refused request.
#[derive(Debug, PartialEq)]
struct State {
    files_stored: u64,
    objects: BTreeSet<std::path::PathBuf>,
    content: Vec<u8>,
    fetched: usize,
}

struct World {
    server: Stowage,
    app: App,
    other: App,
    origin: Origin,
    target: Target,
}

impl World {
    async fn start(arguments: &[&str]) -> Self {
        let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/plain", b"from afar")).await;
        let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
        let app = server.app("shop", arguments);
        let other = server.app("other", arguments);
        let target = Target { base: server.url().to_owned(), key: app.key.clone(), remote: origin.url("/a.txt") };
        Self { server, app, other, origin, target }
    }

    async fn new_file(&self) -> String {
        let query = pairs(&sufficient(&self.app, &[&["store"]]));
        text_of(&store(&self.server, &self.app, &format!("filename=a.txt&{query}"), "the original").await, "handle")
            .to_owned()
    }

    async fn state(&self, handle: &str) -> State {
        let read =
            client().get(format!("{}/api/file/{handle}", self.server.url())).basic_auth("app", Some(&self.app.secret));
        State {
            files_stored: files_stored(&self.server).await,
            objects: objects(self.server.data()),
            content: send(read).await.expect(200).body,
            fetched: self.origin.received().len(),
        }
    }
}

/// Uploads that are begun are created; everything else is just done.
fn succeeded(answer: &HttpAnswer) -> bool {
    matches!(answer.status, 200 | 201)
}

fn rows() -> impl Iterator<Item = (&'static Route, &'static Method)> {
    ROUTES.iter().chain([&DELIVERY]).flat_map(|route| route.methods.iter().map(move |method| (route, method)))
}

#[tokio::test]
async fn a_secured_app_refuses_whatever_does_not_suffice() {
    let world = World::start(&["--security"]).await;
    let handle = world.new_file().await;
    let before = world.state(&handle).await;
    for (route, method) in rows() {
        let attempts = attempts(route, method, &world.target);
        assert_eq!(
            attempts.is_empty(),
            matches!(route.needs, Needs::Nothing | Needs::IfGiven | Needs::Upload(_)),
            "{route:?} must be tried"
        );
        for attempt in attempts {
            for (policy_case, policy) in insufficient(&world.app, &world.other, attempt.calls) {
                let answer = send((attempt.build)(&handle, policy.as_ref())).await;
                let case = format!("{method} {} with {}: {policy_case}", route.pattern, attempt.case);
                assert_eq!(answer.status, 403, "{case}: {}", answer.text());
                assert!(answer.header("x-stowage-error").starts_with("policy_"), "{case}: {answer:?}");
                let secret_part = &sufficient(&world.app, attempt.calls).signature;
                assert!(!answer.text().contains(secret_part), "{case}: the right signature is told");
            }
            assert_eq!(world.state(&handle).await, before, "{method} {} with {}", route.pattern, attempt.case);
        }
    }
}

#[tokio::test]
async fn the_smallest_sufficient_policy_passes() {
    let world = World::start(&["--security"]).await;
    for (route, method) in rows() {
        for attempt in attempts(route, method, &world.target) {
            let handle = world.new_file().await;
            let bound = |handle: &str| {
                sign(&world.app, &json!({ "expiry": 4_102_444_800_u64, "call": CALLS, "handle": handle }))
            };
            let creates = attempt.calls.iter().any(|any| any.contains(&"store"));
            let case = format!("{method} {} with {}", route.pattern, attempt.case);
            let answer = send((attempt.build)(&handle, Some(&sufficient(&world.app, attempt.calls)))).await;
            assert!(succeeded(&answer), "{case}: {answer:?}");
            // A policy for this very file suffices as well, but for making a new one.
            let handle = world.new_file().await;
            let answer = send((attempt.build)(&handle, Some(&bound(&handle)))).await;
            assert_eq!(succeeded(&answer), !creates, "{case}: {answer:?}");
            assert!(!creates || answer.status == 403, "{case}: {answer:?}");
        }
    }
}

/// The table of spec 04 §1 for an app without security.
#[tokio::test]
async fn without_security_only_changes_need_authority() {
    let world = World::start(&[]).await;
    for (route, method) in rows() {
        let always = matches!(route.operation, Operation::OverwriteFile | Operation::DeleteFile);
        assert_eq!(matches!(route.needs, Needs::Always(_)), always, "{route:?}");
        for attempt in attempts(route, method, &world.target) {
            let handle = world.new_file().await;
            let answer = send((attempt.build)(&handle, None)).await;
            let case = format!("{method} {} with {}", route.pattern, attempt.case);
            assert_eq!(succeeded(&answer), !always, "{case}: {answer:?}");
            assert!(!always || answer.status == 403, "{case}: {answer:?}");
            if always {
                let by_others = send((attempt.build)(&handle, Some(&sufficient(&world.other, attempt.calls)))).await;
                assert_eq!(by_others.status, 403, "{case}: {}", by_others.text());
                assert_eq!(world.state(&handle).await.content, b"the original", "{case}");
            }
        }
    }
}

/// HTTP Basic `app:SECRET` stands for every policy (spec 02 §8).
#[tokio::test]
async fn the_secret_opens_everything() {
    let world = World::start(&["--security"]).await;
    for (route, method) in rows() {
        for attempt in attempts(route, method, &world.target) {
            let handle = world.new_file().await;
            let with = |user: &str, password: &str| (attempt.build)(&handle, None).basic_auth(user, Some(password));
            let case = format!("{method} {} with {}", route.pattern, attempt.case);
            for (user, password) in [
                ("app", world.other.secret.as_str()),
                ("app", ""),
                (&world.app.name, &world.app.secret),
                (&world.app.key, &world.app.secret),
            ] {
                assert_eq!(send(with(user, password)).await.status, 403, "{case} as {user}");
            }
            let answer = send(with("app", &world.app.secret)).await;
            assert!(succeeded(&answer), "{case}: {answer:?}");
        }
    }
}
