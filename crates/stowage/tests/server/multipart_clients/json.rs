//! The JSON dialect: Ruby, Go, Swift, and the fallback of JavaScript.

use serde_json::json;

use super::{Client, content, secured};

const JSON: &str = "application/json";

const RUBY: &str =
    "User-Agent: filestack-ruby 2.9.7\nFilestack-Source: Ruby-2.9.7\nAccept: */*\nAccept-Encoding: application/json";

/// Ruby signs `start` alone, puts every user option into `store` and beside it, and lists a part that failed as `null`.
#[tokio::test]
async fn ruby() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, RUBY);
    client
        .begin(
            JSON,
            r#"{"apikey":"<KEY>","filename":"ruby.txt","mimetype":"text/plain","size":21,"store":{"location":"s3",
        "path":"from/ruby/","filename":"ruby.txt"},"fii":false,"policy":"<POLICY>","signature":"<SIGNATURE>"}"#,
        )
        .await;
    let file = b"the first the second!";
    let mut etags = Vec::new();
    // libcurl calls any body a form.
    let own = "Content-Type: application/x-www-form-urlencoded\nAccept: */*\n\
        User-Agent: Typhoeus - https://github.com/typhoeus/typhoeus";
    for (part, piece) in [(1, &file[..10]), (2, &file[10..])] {
        let command = format!(
            r#"{{"apikey":"<KEY>","part":{part},"size":<LENGTH>,"md5":"<MD5>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>",
                "store":{{"location":"s3"}},"path":"from/ruby/","filename":"ruby.txt"}}"#
        );
        etags.push(client.deliver(JSON, &command, own, piece).await);
    }
    let parts = json!([{ "part_number": 1, "etag": etags[0] }, null, { "part_number": 2, "etag": etags[1] }]);
    let complete = |parts: &str| {
        format!(
            r#"{{"apikey":"<KEY>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>","filename":"ruby.txt","size":21,
                "mimetype":"text/plain","store":{{"location":"s3","path":"from/ruby/","filename":"ruby.txt"}},"parts":{parts}}}"#
        )
    };
    let stored = client.complete(&app, JSON, &complete(&parts.to_string()), file).await;
    assert!(stored["key"].as_str().is_some_and(|key| key.starts_with("from/ruby/")), "{stored}");
    // Its polling repeats without the list.
    assert_eq!(client.complete(&app, JSON, &complete("null"), file).await, stored);
}

/// Chunks of a part in any order, and a commit.
#[tokio::test]
async fn ruby_intelligent() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, RUBY);
    let file = content((8 << 20) + 5);
    let begun = client
        .begin(
            JSON,
            &format!(
                r#"{{"apikey":"<KEY>","filename":"ruby.bin","mimetype":"application/octet-stream","size":{},
        "store":{{"location":"s3"}},"fii":true,"policy":"<POLICY>","signature":"<SIGNATURE>"}}"#,
                file.len()
            ),
        )
        .await;
    assert_eq!(begun["upload_type"], "intelligent_ingestion");
    let half = 4 << 20;
    for (part, offset, piece) in [(1, half, &file[half..2 * half]), (2, 0, &file[2 * half..]), (1, 0, &file[..half])] {
        let command = format!(
            r#"{{"apikey":"<KEY>","part":{part},"size":<LENGTH>,"md5":"<MD5>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>",
                "store":{{"location":"s3"}},"offset":{offset},"fii":true}}"#
        );
        client.deliver(JSON, &command, "Content-Type: application/x-www-form-urlencoded", piece).await;
    }
    for part in [2, 1, 1] {
        let commit = format!(
            r#"{{"apikey":"<KEY>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>","size":{},"part":{part},
                "location_url":"<LOCATION>","store":{{"location":"s3"}}}}"#,
            file.len()
        );
        client.command("commit", JSON, &commit).await.expect(200);
    }
    let complete = format!(
        r#"{{"apikey":"<KEY>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>","filename":"ruby.bin","size":{},
            "mimetype":"application/octet-stream","store":{{"location":"s3"}},"fii":true}}"#,
        file.len()
    );
    client.complete(&app, JSON, &complete, &file).await;
}

const GO: &str = "User-Agent: Go-http-client/1.1\nAccept-Encoding: gzip";

/// Go says `fii:false`, ends each body with a new line, lists parts in any order, and sends `null` for no tags. The numbers are those of
/// the worked example (spec 03 §13).
#[tokio::test]
async fn go() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, GO);
    client
        .begin(
            JSON,
            "{\"apikey\":\"<KEY>\",\"filename\":\"ab.bin\",\"mimetype\":\"application/octet-stream\",\"size\":5242891,
        \"store\":{\"location\":\"s3\"},\"policy\":\"<POLICY>\",\"signature\":\"<SIGNATURE>\",\"fii\":false}\n",
        )
        .await;
    let file = [vec![b'a'; 5_242_880], vec![b'b'; 11]].concat();
    let command = |part| {
        format!(
            "{{\"apikey\":\"<KEY>\",\"part\":{part},\"size\":<LENGTH>,\"md5\":\"<MD5>\",\"uri\":\"<URI>\",\"region\":\"<REGION>\",
                \"upload_id\":\"<UPLOAD>\",\"store\":{{\"location\":\"s3\"}},\"fii\":false}}\n"
        )
    };
    let second = client.deliver(JSON, &command(2), GO, &file[5_242_880..]).await;
    let first = client.deliver(JSON, &command(1), GO, &file[..5_242_880]).await;
    assert_eq!((&*first, &*second), ("\"79b281060d337b9b2b84ccf390adcf74\"", "\"050641dae3041cdbbd37cc508e98e6ef\""));
    let parts = json!([{ "part_number": 2, "etag": second }, { "part_number": 1, "etag": first }]);
    let complete = |tags: &str| {
        format!(
            "{{\"apikey\":\"<KEY>\",\"uri\":\"<URI>\",\"region\":\"<REGION>\",\"upload_id\":\"<UPLOAD>\",\"size\":5242891,
                \"filename\":\"ab.bin\",\"mimetype\":\"application/octet-stream\",\"store\":{{\"location\":\"s3\"}},
                \"upload_tags\":{tags},\"policy\":\"<POLICY>\",\"signature\":\"<SIGNATURE>\",\"parts\":{parts}}}\n"
        )
    };
    client.complete(&app, JSON, &complete("null"), &file).await;
}

/// The first chunk of a part has no offset; the workflow of `complete` is a single text, the tags are a list.
#[tokio::test]
async fn go_intelligent() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, GO);
    let file = content(300_000);
    client
        .begin(
            JSON,
            "{\"apikey\":\"<KEY>\",\"filename\":\"go.bin\",\"mimetype\":\"application/octet-stream\",\"size\":300000,
        \"store\":{\"location\":\"s3\"},\"policy\":\"<POLICY>\",\"signature\":\"<SIGNATURE>\",\"fii\":true}\n",
        )
        .await;
    for (offset, piece) in [("", &file[..200_000]), (",\"offset\":200000", &file[200_000..])] {
        let command = format!(
            "{{\"apikey\":\"<KEY>\",\"part\":1,\"size\":<LENGTH>,\"md5\":\"<MD5>\",\"uri\":\"<URI>\",\"region\":\"<REGION>\",
                \"upload_id\":\"<UPLOAD>\",\"store\":{{\"location\":\"s3\"}},\"fii\":true{offset}}}\n"
        );
        client.deliver(JSON, &command, GO, piece).await;
    }
    client
        .command(
            "commit",
            JSON,
            "{\"apikey\":\"<KEY>\",\"uri\":\"<URI>\",\"region\":\"<REGION>\",\"upload_id\":\"<UPLOAD>\",
        \"store\":{\"location\":\"s3\"},\"part\":1,\"size\":300000}\n",
        )
        .await
        .expect(200);
    let complete = "{\"apikey\":\"<KEY>\",\"uri\":\"<URI>\",\"region\":\"<REGION>\",\"upload_id\":\"<UPLOAD>\",\"size\":300000,
        \"filename\":\"go.bin\",\"mimetype\":\"application/octet-stream\",\"store\":{\"location\":\"s3\",
        \"workflows\":\"6a8a12e2-1ff6-4b21-98f6-0e9d9b7b2d53\"},\"upload_tags\":[\"one\",\"two\"],\"policy\":\"<POLICY>\",
        \"signature\":\"<SIGNATURE>\",\"fii\":true}\n";
    let stored = client.complete(&app, JSON, complete, &file).await;
    assert_eq!(stored["upload_tags"], json!({ "one": "", "two": "" }));
}

/// Go, Python and Ruby send chunks whatever `start` was answered (spec 03 §9); each request says for itself what it is.
#[tokio::test]
async fn chunks_nobody_asked_for() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, GO);
    let begun = client
        .begin(
            JSON,
            r#"{"apikey":"<KEY>","filename":"mixed.bin","mimetype":"application/octet-stream","size":9,
        "store":{"location":"s3"},"policy":"<POLICY>","signature":"<SIGNATURE>","fii":false}"#,
        )
        .await;
    assert_eq!(begun.get("upload_type"), None);
    let command = |part: u32, rest: &str| {
        format!(
            r#"{{"apikey":"<KEY>","part":{part},"size":<LENGTH>,"md5":"<MD5>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>",
                "store":{{"location":"s3"}}{rest}}}"#
        )
    };
    client.deliver(JSON, &command(1, r#","fii":true"#), GO, b"abc").await;
    client.deliver(JSON, &command(2, r#","fii":false"#), GO, b"def").await;
    client.deliver(JSON, &command(3, r#","fii":true,"offset":1"#), GO, b"hi").await;
    let commit = r#"{"apikey":"<KEY>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>","store":{"location":"s3"},"part":3,
        "size":9}"#;
    let hole = client.command("commit", JSON, commit).await.expect(400).json();
    assert!(hole["error"].as_str().is_some_and(|text| text.contains("part 3")), "{hole}");
    client.deliver(JSON, &command(3, r#","fii":true"#), GO, b"g").await;
    client.command("commit", JSON, commit).await.expect(200);
    // The commit of part 1 never arrived; it has no hole all the same.
    let complete = r#"{"apikey":"<KEY>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>","size":9,"filename":"mixed.bin",
        "mimetype":"application/octet-stream","store":{"location":"s3"},"upload_tags":null,"fii":true}"#;
    client.complete(&app, JSON, complete, b"abcdefghi").await;
}

const SWIFT: &str = "User-Agent: filestack-swift 2.8.0\nFilestack-Source: Swift-2.8.0\nAccept: */*\n\
    Accept-Language: en-us\nAccept-Encoding: gzip, deflate";

/// Swift escapes every slash, orders its keys at random, and trims the quotes off the ETags.
#[tokio::test]
async fn swift() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, SWIFT);
    let begun = client.begin(JSON, r#"{"size":12,"policy":"<POLICY>","mimetype":"text\/plain","store":{"location":"s3",
        "filename":"swift.txt","mimetype":"text\/plain"},"apikey":"<KEY>","signature":"<SIGNATURE>","filename":"swift.txt"}"#).await;
    // It would switch to chunks, unasked.
    assert_eq!(begun.get("upload_type"), None);
    for (name, value) in &mut client.fields {
        if *name == "URI" {
            *value = value.replace('/', "\\/");
        }
    }
    let command = r#"{"upload_id":"<UPLOAD>","store":{"location":"s3","filename":"swift.txt","mimetype":"text\/plain"},"md5":"<MD5>",
        "apikey":"<KEY>","part":1,"region":"<REGION>","uri":"<URI>","size":<LENGTH>}"#;
    let etag = client.deliver(JSON, command, SWIFT, b"from a phone").await;
    let complete = format!(
        r#"{{"parts":[{{"etag":"{}","part_number":1}}],"store":{{"location":"s3","filename":"swift.txt","mimetype":"text\/plain"}},
            "region":"<REGION>","uri":"<URI>","mimetype":"text\/plain","signature":"<SIGNATURE>","size":12,"filename":"swift.txt",
            "apikey":"<KEY>","upload_tags":{{"a":"b"}},"policy":"<POLICY>","upload_id":"<UPLOAD>"}}"#,
        etag.trim_matches('"')
    );
    let stored = client.complete(&app, JSON, &complete, b"from a phone").await;
    assert_eq!(stored["upload_tags"], json!({ "a": "b" }));
}

#[tokio::test]
async fn swift_intelligent() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, SWIFT);
    client.begin(JSON, r#"{"fii":true,"size":12,"policy":"<POLICY>","mimetype":"text\/plain","store":{"location":"s3"},"apikey":"<KEY>",
        "signature":"<SIGNATURE>","filename":"swift.txt"}"#).await;
    for (offset, piece) in [(5, &b"a phone"[..]), (0, b"from ")] {
        let command = format!(
            r#"{{"offset":{offset},"fii":true,"upload_id":"<UPLOAD>","store":{{"location":"s3"}},"md5":"<MD5>","apikey":"<KEY>","part":1,
                "region":"<REGION>","uri":"<URI>","size":<LENGTH>}}"#
        );
        client.deliver(JSON, &command, SWIFT, piece).await;
    }
    client
        .command(
            "commit",
            JSON,
            r#"{"fii":true,"part":1,"size":12,"upload_id":"<UPLOAD>","region":"<REGION>","uri":"<URI>",
        "apikey":"<KEY>","store":{"location":"s3"}}"#,
        )
        .await
        .expect(200);
    client
        .complete(
            &app,
            JSON,
            r#"{"fii":true,"filename":"swift.txt","mimetype":"text\/plain","size":12,"upload_id":"<UPLOAD>",
        "region":"<REGION>","uri":"<URI>","apikey":"<KEY>","store":{"location":"s3"},"policy":"<POLICY>",
        "signature":"<SIGNATURE>"}"#,
            b"from a phone",
        )
        .await;
}

const JAVASCRIPT: &str = "Filestack-Source: JS-4.3.8\nUser-Agent: filestack-request/JS-4.3.8\n\
    Filestack-Trace-Id: 1700000000-abcdefghij\nFilestack-Trace-Span: jssdk-abcdefghij";

/// `intelligent: 'fallback'`: whole parts until one fails, from then on chunks; `complete` says `fii` and lists the whole ones (spec 03 §9).
#[tokio::test]
async fn javascript_falling_back() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, JAVASCRIPT);
    let file = b"whole, in chunks";
    let start = r#"{"filename":"js.txt","mimetype":"text/plain","size":16,"store":{"location":"s3","disableStorageKey":false},
        "apikey":"<KEY>","policy":"<POLICY>","signature":"<SIGNATURE>","fii":true}"#;
    // With a scheme: such a client takes it, and needs it where there is no TLS.
    let begun = client.command("start", JSON, start).await.expect(200).json();
    assert_eq!(begun["location_url"], server.url());
    for (name, key) in [("URI", "uri"), ("REGION", "region"), ("UPLOAD", "upload_id")] {
        client.fields.push((name, begun[key].as_str().expect("text").to_owned()));
    }
    let command = |part: u32, rest: &str| {
        format!(
            r#"{{"apikey":"<KEY>","uri":"<URI>","region":"<REGION>","signature":"<SIGNATURE>","policy":"<POLICY>","upload_id":"<UPLOAD>",
                "part":{part},"size":<LENGTH>{rest},"md5":"<MD5>"}}"#
        )
    };
    let etag = client.deliver(JSON, &command(1, ""), "Content-Type: application/octet-stream", &file[..7]).await;
    for (offset, piece) in [(0, &file[7..10]), (3, &file[10..])] {
        let rest = format!(r#","fii":true,"offset":{offset}"#);
        client.deliver(JSON, &command(2, &rest), "Content-Type: application/octet-stream", piece).await;
    }
    client
        .command(
            "commit",
            JSON,
            r#"{"apikey":"<KEY>","region":"<REGION>","upload_id":"<UPLOAD>","policy":"<POLICY>",
        "signature":"<SIGNATURE>","uri":"<URI>","size":16,"part":2}"#,
        )
        .await
        .expect(200);
    let parts = json!([{ "part_number": 1, "etag": etag }]);
    let complete = format!(
        r#"{{"apikey":"<KEY>","policy":"<POLICY>","signature":"<SIGNATURE>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>",
            "fii":true,"store":{{"location":"s3"}},"filename":"js.txt","mimetype":"text/plain","size":16,"parts":{parts}}}"#
    );
    client.complete(&app, JSON, &complete, file).await;
}
