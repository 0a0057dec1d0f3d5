//! The answers of Azure and Google, in their own words, as the errors of a store. S3's are in its own module.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use stowage_core::location::Access;
use stowage_store::{
    BlobStore, ObjectMeta, StoreError,
    object::{ObjectStore, S3Config},
};

use crate::{
    checksums::{KINDS, Kind, LARGE, answer, brings_bytes, bytes_of, store},
    common::{install_tls_provider, key, meta, pattern, put_as, s3_config_at},
    double::{Answer, Asked, Double},
};

async fn put_answered(kind: Kind, status: &'static str, body: String, access: Access) -> (StoreError, usize) {
    let double = Double::start(move |_| Answer { status, body: body.clone(), ..Answer::default() }).await;
    let meta = ObjectMeta { access, ..meta(None) };
    let stored = put_as(&store(kind, &double.endpoint), &key("a.bin"), &meta, &pattern(10)).await;
    (stored.expect_err("an error"), double.asked().len())
}

fn azure(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no\nRequestId:1</Message></Error>")
}

fn google(reason: &str, message: &str) -> String {
    format!(
        r#"{{"error":{{"code":1,"message":"{message}","errors":[{{"reason":"{reason}","message":"{message}"}}]}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_cause_that_an_operator_can_act_on() {
    let cases = [
        (Kind::Azure, "403 Forbidden", azure("AuthenticationFailed"), "Denied", 1),
        (Kind::Azure, "401 Unauthorized", azure("InvalidAuthenticationInfo"), "Denied", 1),
        (Kind::Azure, "404 Not Found", azure("ContainerNotFound"), "MissingContainer", 1),
        (Kind::Azure, "409 Conflict", azure("ContainerBeingDeleted"), "Unavailable", 1),
        (Kind::Azure, "503 Busy", azure("ServerBusy"), "Throttled", 4),
        (Kind::Azure, "500 Oops", azure("OperationTimedOut"), "Unavailable", 4),
        (Kind::Azure, "400 Bad Request", azure("InvalidHeaderValue"), "Other", 1),
        (Kind::Gcs, "403 Forbidden", google("forbidden", "no storage.objects.create access"), "Denied", 1),
        (Kind::Gcs, "401 Unauthorized", google("authError", "Invalid Credentials"), "Denied", 1),
        (Kind::Gcs, "404 Not Found", google("notFound", "The specified bucket does not exist."), "MissingContainer", 1),
        (Kind::Gcs, "429 Slow", google("rateLimitExceeded", "slower"), "Throttled", 4),
        (Kind::Gcs, "403 Forbidden", google("userRateLimitExceeded", "slower"), "Throttled", 1),
        (Kind::Gcs, "503 Oops", google("backendError", "later"), "Unavailable", 4),
        (Kind::Gcs, "502 Bad Gateway", "<html>".to_owned(), "Unavailable", 4),
    ];
    join_all(cases.map(|(kind, status, body, expected, requests)| async move {
        let (error, asked) = put_answered(kind, status, body.clone(), Access::Private).await;
        assert!(format!("{error:?}").starts_with(expected), "{kind:?} {status} {body}: {error:?}");
        assert_eq!(asked, requests, "{kind:?} {status} {body}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_never_public_says_so() {
    for (status, message) in [
        ("400 Bad Request", "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled."),
        (
            "412 Precondition Failed",
            "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is enforced.",
        ),
    ] {
        let (error, _) = put_answered(Kind::Gcs, status, google("invalid", message), Access::Public).await;
        assert!(matches!(&error, StoreError::Unsupported(text) if text.contains("access=public")), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_for_s3_only() {
    install_tls_provider();
    for kind in [Kind::Azure, Kind::Gcs] {
        let refused = store(kind, "http://127.0.0.1:9").in_region("eu-west-1").err();
        assert!(matches!(&refused, Some(StoreError::Unsupported(text)) if text.contains("`region`")), "{refused:?}");
    }
    let config = S3Config { endpoint: None, ..s3_config_at(String::new(), "id", "secret") };
    let amazon = ObjectStore::s3(config).expect("good settings");
    for (region, known) in
        [("eu-west-1", true), ("us-gov-east-1", true), ("nowhere", false), ("eu-west", false), ("1", false)]
    {
        let refused = amazon.in_region(region).err();
        assert_eq!(refused.is_none(), known, "{region}: {refused:?}");
    }
    let s3 = store(Kind::S3, "http://127.0.0.1:9");
    assert!(s3.in_region("eu-west-1").is_ok_and(|store| store.capabilities() == s3.capabilities()));
    for bad in ["", "x.evil", "a/b", "a b"] {
        assert!(matches!(s3.in_region(bad), Err(StoreError::Unsupported(_))), "{bad:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_sent_again_after_a_passing_failure() {
    let cases = KINDS.iter().flat_map(|kind| ["503 Slow Down", ""].map(|trouble| (*kind, trouble)));
    join_all(cases.map(|(kind, trouble)| async move {
        let troubled = AtomicBool::new(false);
        let double = Double::start(move |asked| {
            if brings_bytes(asked) && !troubled.swap(true, Ordering::SeqCst) {
                return Answer::status(trouble);
            }
            answer(kind, asked, &bytes_of(asked))
        })
        .await;
        let stored = put_as(&store(kind, &double.endpoint), &key("a.bin"), &meta(None), &pattern(LARGE)).await;
        stored.unwrap_or_else(|error| panic!("{kind:?} {trouble:?}: {error}"));
        assert_eq!(double.asked().iter().filter(|asked| brings_bytes(asked)).count(), 4, "{kind:?} {trouble:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_never_passes_leaves_no_object() {
    let cases = KINDS.iter().flat_map(|kind| ["503 Slow Down", ""].map(|trouble| (*kind, trouble)));
    join_all(cases.map(|(kind, trouble)| async move {
        let tail = pattern(LARGE).slice(LARGE - 100..);
        let double = Double::start(move |asked| {
            if asked.body.ends_with(&tail) {
                return Answer::status(trouble);
            }
            answer(kind, asked, &bytes_of(asked))
        })
        .await;
        let stored = put_as(&store(kind, &double.endpoint), &key("a.bin"), &meta(None), &pattern(LARGE)).await;
        assert!(matches!(stored, Err(StoreError::Unavailable(_))), "{kind:?} {trouble:?}: {stored:?}");
        let asked = double.asked();
        let finishes = |asked: &Asked| {
            (asked.method == "POST" && asked.target.contains("uploadId=")) || asked.target.contains("comp=blocklist")
        };
        assert!(!asked.iter().any(finishes), "{kind:?} {trouble:?}");
        // Azure forgets blocks without an object by itself, after a week.
        let given_back = |asked: &Asked| asked.method == "DELETE" && asked.target.contains("uploadId=");
        assert!(kind == Kind::Azure || asked.iter().any(given_back), "{kind:?} {trouble:?}");
    }))
    .await;
}
