//! The body forms of spec 01 §1.2 and what may stand in them.

use serde_json::json;
use stowage_core::{handle::AppSecret, policy};
use stowage_testkit::{Origin, Reply};

use crate::{
    hostile::{encoded, files_stored, objects},
    support::{Part, allowing, client, get, multipart, post, send, server, server_with, store, text_of},
};

/// Name of the case, request type and body, stored name, stored type, stored bytes.
type FormCase<'a> = (&'a str, (Option<String>, Vec<u8>), &'a str, &'a str, &'a [u8]);

#[tokio::test]
async fn every_body_form_stores_its_bytes() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("image/gif; q=1", b"from afar")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let remote = origin.url("/pics/far%20away.gif?size=2");
    let form = |parts: &[Part<'_>]| {
        let (content_type, body) = multipart(parts);
        (Some(content_type), body)
    };
    let typed = |content_type: &str, body: &[u8]| (Some(content_type.to_owned()), body.to_vec());
    let upload = r#"name="fileUpload"; filename="a.txt""#;
    let cases: Vec<FormCase<'_>> = vec![
        ("fileUpload", form(&[(upload, Some("text/x-own"), b"1")]), "a.txt", "text/x-own", b"1"),
        (
            "fileUpload behind other fields",
            form(&[(r#"name="note""#, None, b"x"), (upload, None, b"2")]),
            "a.txt",
            "text/plain",
            b"2",
        ),
        (
            "fileUpload behind a url field",
            form(&[(r#"name="url""#, None, remote.as_bytes()), (upload, None, b"3")]),
            "a.txt",
            "text/plain",
            b"3",
        ),
        (
            "another part with a file name",
            form(&[(r#"name="picture"; filename="b.txt""#, None, b"4")]),
            "b.txt",
            "text/plain",
            b"4",
        ),
        ("a url field", form(&[(r#"name="url""#, None, remote.as_bytes())]), "far away.gif", "image/gif", b"from afar"),
        (
            "a urlencoded url",
            typed("application/x-www-form-urlencoded", format!("url={}", encoded(&remote)).as_bytes()),
            "far away.gif",
            "image/gif",
            b"from afar",
        ),
        (
            "a urlencoded url as PHP sends it",
            typed("application/x-www-form-urlencoded; charset=utf-8", format!("url={remote}").as_bytes()),
            "far away.gif",
            "image/gif",
            b"from afar",
        ),
        (
            "a JSON url",
            typed("application/json", json!({ "url": remote }).to_string().as_bytes()),
            "far away.gif",
            "image/gif",
            b"from afar",
        ),
        (
            "a JSON url with options",
            typed(
                "application/json; charset=utf-8",
                json!({ "url": remote, "filename": "c.png", "mimetype": "image/x-own", "unknown": [1] })
                    .to_string()
                    .as_bytes(),
            ),
            "c.png",
            "image/x-own",
            b"from afar",
        ),
        ("raw with a type", typed("text/x-own; charset=utf-8", b"5"), "", "text/x-own", b"5"),
        ("raw without a type", (None, b"6".to_vec()), "", "text/plain", b"6"),
        (
            "raw with curl's form type",
            typed("application/x-www-form-urlencoded", b"just text"),
            "",
            "text/plain",
            b"just text",
        ),
        ("a form without url", typed("application/x-www-form-urlencoded", b"a=1&b=2"), "", "text/plain", b"a=1&b=2"),
        ("a JSON document", typed("application/json", br#"{"a":1}"#), "", "application/json", br#"{"a":1}"#),
        (
            "a JSON document with a relative url",
            typed("application/json", br#"{"url":"/a/b"}"#),
            "",
            "application/json",
            br#"{"url":"/a/b"}"#,
        ),
        (
            "a JSON document whose url is no text",
            typed("application/json", br#"{"url":7}"#),
            "",
            "application/json",
            br#"{"url":7}"#,
        ),
        ("a JSON list", typed("application/json", br#"["url"]"#), "", "application/json", br#"["url"]"#),
        ("broken JSON", typed("application/json", b"{\"url\":"), "", "application/json", b"{\"url\":"),
    ];
    for (case, (content_type, body), name, media_type, content) in cases {
        let mut request = client().post(format!("{}/api/store/S3?key={}", server.url(), app.key)).body(body);
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let answer = send(request).await;
        assert_eq!(answer.status, 200, "{case}: {}", answer.text());
        let stored = answer.json();
        assert_eq!(stored["type"], media_type, "{case}");
        assert_eq!(stored["size"], content.len(), "{case}");
        match name {
            // A generated name has the extension of the type.
            "" => assert!(text_of(&stored, "filename").starts_with(text_of(&stored, "handle")), "{case}: {stored}"),
            name => assert_eq!(stored["filename"], name, "{case}"),
        }
        let read = get(&server, &format!("/{}", text_of(&stored, "handle"))).await.expect(200);
        assert_eq!(read.body, content, "{case}");
    }
    let empty_body = format!("/api/store/S3?key={}&url={}", app.key, encoded(&remote));
    let stored = post(&server, &empty_body, "").await.expect(200).json();
    assert_eq!((&stored["filename"], &stored["size"]), (&json!("far away.gif"), &json!(9)));
    assert_eq!(origin.received().len(), 6, "only commands make the server fetch");
}

/// Each form holds two candidates; the wrong one must not be stored silently.
#[tokio::test]
async fn a_better_part_behind_the_file_is_refused() {
    let server = server();
    let app = server.app("shop", &[]);
    let thumbnail: Part<'_> = (r#"name="thumbnail"; filename="small.jpg""#, None, b"small");
    for late in [
        (r#"name="fileUpload"; filename="a.jpg""#, None, &b"large"[..]),
        (r#"name="url""#, None, b"https://example.com/a"),
    ] {
        let (content_type, body) = multipart(&[thumbnail, late]);
        let request = client().post(format!("{}/api/store/S3?key={}", server.url(), app.key));
        let answer = send(request.header("Content-Type", content_type).body(body)).await.expect(400);
        assert!(answer.text().contains("behind the file"), "{}", answer.text());
    }
    assert_eq!(files_stored(&server).await, 0);
}

#[tokio::test]
async fn base64_is_decoded_in_every_body_form() {
    let text = "data:text/plain;base64,aGVs\r\nbG8gd29y\nbGQ=";
    let origin = Origin::start("127.0.0.2", move |_| Reply::ok("text/plain", text.as_bytes())).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let (form_type, form) = multipart(&[(r#"name="fileUpload"; filename="a.txt""#, None, text.as_bytes())]);
    let (field_type, field) = multipart(&[
        (r#"name="base64decode""#, None, b"true"),
        (r#"name="fileUpload"; filename="a.txt""#, None, text.as_bytes()),
    ]);
    let url = origin.url("/a.b64");
    let json = json!({ "url": url, "base64decode": true }).to_string();
    let query = "&base64decode=true";
    let cases = [
        ("raw", query, "text/plain", text.as_bytes().to_vec()),
        ("raw without prefix", query, "application/octet-stream", b"aGVsbG8gd29ybGQ=".to_vec()),
        ("raw as `1`", "&base64decode=1", "text/plain", b"aGVsbG8gd29ybGQ".to_vec()),
        ("form", query, &form_type, form),
        ("form field", "", &field_type, field),
        ("urlencoded url", query, "application/x-www-form-urlencoded", format!("url={url}").into_bytes()),
        ("JSON url", "", "application/json", json.into_bytes()),
    ];
    for (case, query, content_type, body) in cases {
        let url = format!("{}/api/store/S3?key={}{query}", server.url(), app.key);
        let stored = send(client().post(url).header("Content-Type", content_type).body(body)).await.expect(200).json();
        assert_eq!(stored["size"], 11, "{case}");
        let read = get(&server, &format!("/{}", text_of(&stored, "handle"))).await;
        assert_eq!(read.text(), "hello world", "{case}");
    }
    let kept = store(&server, &app, "base64decode=false", "aGVsbG8gd29ybGQ=").await;
    assert_eq!(kept["size"], 16);
}

#[tokio::test]
async fn the_query_wins_over_form_fields_and_they_over_the_part() {
    let server = server();
    let app = server.app("shop", &[]);
    let fields: [Part<'_>; 5] = [
        (r#"name="filename""#, None, b"field.txt"),
        (r#"name="mimetype""#, None, b"text/x-field"),
        (r#"name="path""#, None, b"field/"),
        (r#"name="container""#, None, b"field-box"),
        (r#"name="fileUpload"; filename="part.txt""#, Some("text/x-part"), b"x"),
    ];
    let (content_type, body) = multipart(&fields);
    let upload = async |query: &str| {
        let request = client().post(format!("{}/api/store/S3?key={}{query}", server.url(), app.key));
        send(request.header("Content-Type", &content_type).body(body.clone())).await.expect(200).json()
    };
    let of_fields = upload("").await;
    assert_eq!(
        (&of_fields["filename"], &of_fields["type"], &of_fields["container"]),
        (&json!("field.txt"), &json!("text/x-field"), &json!("field-box"))
    );
    assert!(text_of(&of_fields, "key").starts_with("field/"));
    let of_query = upload("&filename=query.txt&mimetype=text/x-query&path=query.bin&container=query-box").await;
    assert_eq!(
        (&of_query["filename"], &of_query["type"], &of_query["container"]),
        (&json!("query.txt"), &json!("text/x-query"), &json!("query-box"))
    );
    assert_eq!(of_query["key"], "query.bin");
}

/// The store is chosen before the first byte is written, so these would be ignored behind the file.
#[tokio::test]
async fn fields_behind_the_file_are_refused_and_nothing_is_stored() {
    let server = server();
    let app = server.app("shop", &[]);
    for name in [
        "filename",
        "mimetype",
        "path",
        "container",
        "access",
        "region",
        "base64decode",
        "workflows",
        "location",
        "key",
        "policy",
        "signature",
    ] {
        let late = format!(r#"name="{name}""#);
        let (content_type, body) =
            multipart(&[(r#"name="fileUpload"; filename="a.txt""#, None, b"x"), (&late, None, b"v")]);
        let request = client().post(format!("{}/api/store/S3?key={}", server.url(), app.key));
        let answer = send(request.header("Content-Type", content_type).body(body)).await.expect(400);
        assert!(answer.text().contains(name), "{name}: {}", answer.text());
    }
    let (content_type, body) =
        multipart(&[(r#"name="fileUpload"; filename="a.txt""#, None, b"x"), (r#"name="submit""#, None, b"Send")]);
    let request = client().post(format!("{}/api/store/S3?key={}", server.url(), app.key));
    send(request.header("Content-Type", content_type).body(body)).await.expect(200);
    assert_eq!(files_stored(&server).await, 1, "a field that is no option may stand anywhere");
    assert_eq!(objects(server.data()).len(), 1);
}

/// Key and credentials may stand in the form instead of the query (spec 01 §1.2, 04 §6).
#[tokio::test]
async fn every_body_form_can_carry_key_and_policy() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/plain", b"far")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &["--security"]);
    let signed = policy::sign(&AppSecret::new(app.secret.clone()), &allowing(&["store"]));
    let url = origin.url("/a.txt");
    let credentials = [
        (r#"name="key""#, None, app.key.as_bytes()),
        (r#"name="policy""#, None, signed.policy.as_bytes()),
        (r#"name="signature""#, None, signed.signature.as_bytes()),
    ];
    let (file_form, file_body) =
        multipart(&[&credentials[..], &[(r#"name="fileUpload"; filename="a.txt""#, None, b"x")]].concat());
    let (url_form, url_body) = multipart(&[&credentials[..], &[(r#"name="url""#, None, url.as_bytes())]].concat());
    let json =
        json!({ "url": url, "key": app.key, "policy": signed.policy, "signature": signed.signature }).to_string();
    let pairs = format!("url={url}&key={}&policy={}&signature={}", app.key, signed.policy, signed.signature);
    for (content_type, body) in [
        (file_form.as_str(), file_body),
        (&url_form, url_body),
        ("application/json", json.into_bytes()),
        ("application/x-www-form-urlencoded", pairs.into_bytes()),
    ] {
        let request =
            client().post(format!("{}/api/store/S3", server.url())).header("Content-Type", content_type).body(body);
        send(request).await.expect(200);
    }
    assert_eq!(files_stored(&server).await, 4);
}
