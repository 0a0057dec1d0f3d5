//! What providers of parts are told that no test server shows, and what comes of their odd answers.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use md5::{Digest, Md5};
use stowage_core::location::Access;
use stowage_store::{
    BlobStore, ObjectMeta, PartStore, StoreError,
    object::{GcsConfig, ObjectStore, S3Config, S3Encryption},
    parts::PartReceipt,
    secret::Secret,
};

use crate::{
    checksums::{Kind, store},
    common::{AN_HOUR, BUCKET, key, meta, pattern, s3_config_at},
    double::{Answer, Asked, Double},
};

const BEGUN: &str =
    "<InitiateMultipartUploadResult><UploadId>an+id/of=theirs</UploadId></InitiateMultipartUploadResult>";
const DONE: &str = "<CompleteMultipartUploadResult><ETag>\"x-1\"</ETag></CompleteMultipartUploadResult>";
const LISTED: &str = "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>\
    <Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag><Size>7</Size></Part></ListPartsResult>";
const LISTED_LAST: &str = "<ListPartsResult><IsTruncated>false</IsTruncated>\
    <Part><PartNumber>2</PartNumber><ETag>&quot;f&quot;</ETag><Size>8</Size></Part></ListPartsResult>";

fn xml(body: &str) -> Answer {
    Answer { status: "200 OK", body: body.to_owned(), ..Answer::default() }
}

fn failed(status: &'static str, code: &str) -> Answer {
    Answer { status, ..xml(&format!("<Error><Code>{code}</Code></Error>")) }
}

/// A provider of the multipart protocol that confirms what it got.
fn good(asked: &Asked) -> Answer {
    let digest = Md5::digest(&asked.body);
    match asked.method.as_str() {
        "POST" if asked.target.ends_with("?uploads") => xml(BEGUN),
        "POST" => xml(DONE),
        "PUT" => Answer {
            status: "200 OK",
            headers: vec![
                ("etag", format!("\"{}\"", hex::encode(digest))),
                ("x-goog-hash", format!("crc32c=AAAAAA==,md5={}", BASE64_STANDARD.encode(digest))),
            ],
            ..Answer::default()
        },
        "GET" if asked.target.ends_with("&part-number-marker=1") => xml(LISTED_LAST),
        "GET" => xml(LISTED),
        "DELETE" => Answer::status("204 No Content"),
        _ => Answer::status("404 Not Found"),
    }
}

fn facts() -> ObjectMeta {
    ObjectMeta {
        access: Access::Public,
        disposition: Some("attachment; filename=a".to_owned()),
        user_metadata: vec![("colour".to_owned(), "blue".to_owned())],
        ..meta(None)
    }
}

async fn put(
    parts: &dyn PartStore,
    upload: &stowage_store::parts::PartUpload,
    bytes: &Bytes,
) -> Result<PartReceipt, StoreError> {
    let content = stream::iter([Ok(bytes.clone())]).boxed();
    parts.put(upload, 7, bytes.len() as u64, Some(Md5::digest(bytes).into()), content).await
}

/// Stores an object of one part, the seventh.
async fn whole(store: &ObjectStore, bytes: &Bytes) -> Result<(), StoreError> {
    let (parts, key) = (store.parts().expect("parts"), key("a b.bin"));
    let upload = parts.begin(&key, &facts()).await?;
    let receipt = put(&*parts, &upload, bytes).await?;
    parts.complete(&upload, &key, &facts(), &[(7, bytes.len() as u64, receipt)]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn google_is_told_of_parts_in_its_own_words() {
    let double = Double::start(good).await;
    let store = store(Kind::Gcs, &double.endpoint);
    let bytes = pattern(1000);
    whole(&store, &bytes).await.expect("stored");
    let parts = store.parts().expect("parts");
    let upload = parts.begin(&key("other.bin"), &meta(None)).await.expect("an upload");
    let listed = parts.list(&upload).await.expect("a list");
    let listed: Vec<_> = listed.iter().map(|part| (part.number, part.size, part.receipt.as_str())).collect();
    assert_eq!(listed, [(1, 7, "e"), (2, 8, "f")], "both pages");
    parts.abort(&upload).await.expect("thrown away");
    let refused = parts.presign(&upload, 1, 1, None, AN_HOUR).await;
    assert!(matches!(refused, Err(StoreError::Unsupported(_))), "there is no key to sign with: {refused:?}");

    let asked = double.asked();
    let begin = &asked[0];
    assert_eq!((begin.method.as_str(), begin.target.as_str()), ("POST", "/files/a%20b.bin?uploads"));
    for (name, value) in [
        ("x-goog-acl", "public-read"),
        ("x-goog-meta-colour", "blue"),
        ("content-disposition", "attachment; filename=a"),
        ("content-type", "application/octet-stream"),
    ] {
        assert_eq!(begin.header(name), Some(value));
    }
    let part = &asked[1];
    assert_eq!(part.target, "/files/a%20b.bin?partNumber=7&uploadId=an%2Bid%2Fof%3Dtheirs");
    assert_eq!(part.body, bytes);
    assert_eq!(part.header("content-md5"), Some(BASE64_STANDARD.encode(Md5::digest(&bytes)).as_str()));
    assert_eq!(asked[2].target, "/files/a%20b.bin?uploadId=an%2Bid%2Fof%3Dtheirs");
    let list = format!("<PartNumber>7</PartNumber><ETag>\"{}\"</ETag>", hex::encode(Md5::digest(&bytes)));
    let sent = String::from_utf8_lossy(&asked[2].body).replace("&quot;", "\"");
    assert!(sent.contains(&list), "{sent}");
    assert_eq!(asked[6].method, "DELETE");
}

#[tokio::test(flavor = "multi_thread")]
async fn amazon_is_told_the_settings_at_the_beginning() {
    let double = Double::start(good).await;
    let store = ObjectStore::s3(S3Config {
        session_token: Some(Secret::new("token of a session")),
        server_side_encryption: Some(S3Encryption::Kms),
        kms_key_id: Some("arn:key".to_owned()),
        region: Some("eu-north-1".to_owned()),
        ..s3_config_at(double.endpoint.clone(), "id", "secret")
    })
    .expect("good settings");
    whole(&store, &pattern(1000)).await.expect("stored");
    let asked = double.asked();
    for (name, value) in [
        ("x-amz-acl", "public-read"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "arn:key"),
    ] {
        assert_eq!(asked[0].header(name), Some(value));
        assert_eq!(asked[1].header(name), None, "it goes with the object, not with its parts");
    }
    for asked in &asked {
        assert_eq!(asked.header("x-amz-security-token"), Some("token of a session"));
        assert!(asked.header("authorization").expect("a signature").contains("/eu-north-1/s3/"));
    }

    let amazon = |virtual_host_style| {
        let config = s3_config_at(String::new(), "id", "secret");
        let region = Some("eu-north-1".to_owned());
        ObjectStore::s3(S3Config { endpoint: None, region, virtual_host_style, ..config }).expect("good settings")
    };
    for (style, place) in [
        (false, "https://s3.eu-north-1.amazonaws.com/files/a.bin?partNumber=3"),
        (true, "https://files.s3.eu-north-1.amazonaws.com/a.bin?partNumber=3"),
    ] {
        let begun = store.parts().expect("parts").begin(&key("a.bin"), &meta(None)).await.expect("an upload");
        let parts = amazon(style).parts().expect("parts");
        let request = parts.presign(&begun, 3, 10, Some([0; 16]), AN_HOUR).await.expect("a request");
        assert!(request.url.starts_with(place), "{}", request.url);
        assert!(request.url.contains("X-Amz-SignedHeaders=content-length%3Bcontent-md5%3Bhost"), "{}", request.url);
        assert_eq!(request.headers, [("content-md5".to_owned(), BASE64_STANDARD.encode([0; 16]))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn google_signs_parts_with_the_key_of_the_account() {
    let double = Double::start(good).await;
    let anonymous = store(Kind::Gcs, &double.endpoint).parts().expect("parts");
    let upload = anonymous.begin(&key("a.bin"), &meta(None)).await.expect("an upload");
    let pem = include_str!("service-account.pem");
    let account = serde_json::json!({"type": "service_account", "client_email": "a@b", "private_key": pem});
    let signed = ObjectStore::gcs(GcsConfig {
        bucket: BUCKET.to_owned(),
        allowed_buckets: Vec::new(),
        endpoint: None,
        service_account: Some(Secret::new(account.to_string())),
    })
    .expect("good settings");
    let request = signed.parts().expect("parts").presign(&upload, 3, 10, None, AN_HOUR).await.expect("a request");
    assert!(
        request.url.starts_with("https://storage.googleapis.com/files/a.bin?partNumber=3&uploadId="),
        "{request:?}"
    );
    assert!(request.url.contains("X-Goog-Signature="), "{request:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_with_other_bytes_than_the_part_has_not_stored_it() {
    for kind in [Kind::S3, Kind::Gcs] {
        let double = Double::start(|asked| {
            let mut received = asked.clone();
            if asked.method == "PUT" {
                received.body = asked.body.slice(1..);
            }
            good(&received)
        })
        .await;
        let stored = whole(&store(kind, &double.endpoint), &pattern(100)).await;
        assert!(matches!(stored, Err(StoreError::Corrupt(_))), "{kind:?}: {stored:?}");
    }
}

/// The answer to the last request gets lost, or is a failure that says nothing of what happened.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_there_after_a_lost_answer_is_done() {
    for (lost, ours, expected) in [
        (failed("404 Not Found", "NoSuchUpload"), true, "Ok"),
        (failed("404 Not Found", "NoSuchUpload"), false, "Err(NotFound"),
        (failed("400 Bad Request", "InvalidPart"), false, "Err(NotFound"),
        (failed("400 Bad Request", "EntityTooSmall"), false, "Err(Unsupported"),
        (failed("200 OK", "InvalidArgument"), true, "Ok"),
        (failed("200 OK", "InvalidArgument"), false, "Err(Other"),
    ] {
        let double = Double::start({
            let lost = lost.clone();
            let mark = std::sync::Mutex::new(String::new());
            move |asked| match asked.method.as_str() {
                "POST" if asked.target.contains("uploadId=") => lost.clone(),
                "HEAD" => {
                    let mark = if ours { mark.lock().expect("no panic").clone() } else { "another".to_owned() };
                    Answer { status: "200 OK", headers: vec![("x-amz-meta-stowage-upload", mark)], ..Answer::default() }
                }
                _ => {
                    if let Some(found) = asked.header("x-amz-meta-stowage-upload") {
                        *mark.lock().expect("no panic") = found.to_owned();
                    }
                    good(asked)
                }
            }
        })
        .await;
        let stored = format!("{:?}", whole(&store(Kind::S3, &double.endpoint), &pattern(100)).await);
        assert!(stored.starts_with(expected), "{lost:?} {ours}: {stored}");
    }
}
