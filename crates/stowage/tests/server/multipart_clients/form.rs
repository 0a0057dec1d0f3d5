//! The form dialect: PHP and Java.

use super::{Client, content, secured};

/// Guzzle: a part has a length unless it is empty, and an empty file comes along in every form.
const PHP: &str = "User-Agent: filestack-php-1.2.2\nFilestack-Source: PHP-1.2.2";
const PHP_FORM: &str = "multipart/form-data; boundary=3fa9c3fdf2b5a1cd2e1ee9c2a4a7cc3bd5b3f8e1";

fn php(fields: &[(&str, &str)]) -> String {
    let boundary = PHP_FORM.split_once("boundary=").expect("a boundary").1;
    let mut form = String::new();
    for (name, value) in fields {
        // Lengths of what is filled in later are left out, as they are of streams.
        let length = if value.is_empty() || value.starts_with('<') {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", value.len())
        };
        form += &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{length}\r\n{value}\r\n");
    }
    form += &format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"php.txt\"\r\nContent-Type: text/plain\r\n\r\n\r\n"
    );
    form + &format!("--{boundary}--\r\n")
}

const PHP_START: [(&str, &str); 6] = [
    ("apikey", "<KEY>"),
    ("filename", "php.txt"),
    ("mimetype", "text/plain"),
    ("store_location", "s3"),
    ("store_path", ""),
    ("policy", "<POLICY>"),
];
const PHP_UPLOAD: [(&str, &str); 6] = [
    ("apikey", "<KEY>"),
    ("uri", "<URI>"),
    ("region", "<REGION>"),
    ("upload_id", "<UPLOAD>"),
    ("store_location", "s3"),
    ("signature", "<SIGNATURE>"),
];

/// A form of what all forms have, and of its own fields.
fn php_with(common: &[(&str, &str)], own: &[(&str, &str)]) -> String {
    php(&[common, own].concat())
}

#[tokio::test]
async fn php_small() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, PHP);
    let begun = client.begin(PHP_FORM, &php_with(&PHP_START, &[("size", "5"), ("signature", "<SIGNATURE>")])).await;
    assert_eq!(begun.get("upload_type"), None);
    let command =
        php_with(&PHP_UPLOAD, &[("part", "1"), ("md5", "<MD5>"), ("size", "<LENGTH>"), ("policy", "<POLICY>")]);
    let etag = client.deliver(PHP_FORM, &command, "User-Agent: GuzzleHttp/7", b"hello").await;
    let complete = [("size", "5"), ("filename", "php.txt"), ("mimetype", "text/plain"), ("policy", "<POLICY>")];
    let parts = format!("1:{etag}");
    let complete = php_with(&PHP_UPLOAD, &[&complete[..], &[("parts", &parts)]].concat());
    let stored = client.complete(&app, PHP_FORM, &complete, b"hello").await;
    assert_eq!((&stored["filename"], &stored["mimetype"]), (&"php.txt".into(), &"text/plain".into()));
}

/// Above 8 MiB it asks for chunks and sends whole parts all the same (spec 03 §9); the second is shorter than announced at first.
#[tokio::test]
async fn php_large() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, PHP);
    let file = content((8 << 20) + 100);
    let size = file.len().to_string();
    let own = [("size", size.as_str()), ("multipart", "1"), ("signature", "<SIGNATURE>")];
    let begun = client.begin(PHP_FORM, &php_with(&PHP_START, &own)).await;
    assert_eq!(begun["upload_type"], "intelligent_ingestion");
    let mut parts = Vec::new();
    for (number, piece) in [("1", &file[..8 << 20]), ("2", &file[8 << 20..])] {
        let command =
            php_with(&PHP_UPLOAD, &[("part", number), ("md5", "<MD5>"), ("size", "<LENGTH>"), ("policy", "<POLICY>")]);
        parts.push(format!("{number}:{}", client.deliver(PHP_FORM, &command, "User-Agent: GuzzleHttp/7", piece).await));
    }
    let parts = parts.join(";");
    let own = [
        ("size", size.as_str()),
        ("filename", "php.txt"),
        ("mimetype", "text/plain"),
        ("parts", &parts),
        ("policy", "<POLICY>"),
    ];
    client.complete(&app, PHP_FORM, &php_with(&PHP_UPLOAD, &own), &file).await;
}

/// `parts` is how many there are.
#[tokio::test]
async fn php_intelligent() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, PHP);
    let file = content(3000);
    let own = [("size", "3000"), ("multipart", "1"), ("signature", "<SIGNATURE>")];
    client.begin(PHP_FORM, &php_with(&PHP_START, &own)).await;
    for (offset, piece) in [("0", &file[..2000]), ("2000", &file[2000..])] {
        let own = [
            ("part", "1"),
            ("md5", "<MD5>"),
            ("size", "<LENGTH>"),
            ("multipart", "1"),
            ("offset", offset),
            ("policy", "<POLICY>"),
        ];
        client.deliver(PHP_FORM, &php_with(&PHP_UPLOAD, &own), "User-Agent: GuzzleHttp/7", piece).await;
    }
    let commit = php_with(&PHP_UPLOAD, &[("part", "1"), ("size", "3000"), ("policy", "<POLICY>")]);
    client.command("commit", PHP_FORM, &commit).await.expect(200);
    let own = [
        ("size", "3000"),
        ("filename", "php.txt"),
        ("mimetype", "text/plain"),
        ("parts", "1"),
        ("multipart", "1"),
        ("policy", "<POLICY>"),
    ];
    client.complete(&app, PHP_FORM, &php_with(&PHP_UPLOAD, &own), &file).await;
}

/// OkHttp: every text calls itself a form.
const JAVA: &str = "User-Agent: filestack-java 1.0.1\nFilestack-Source: Java-1.0.1\nAccept-Encoding: gzip";
const JAVA_FORM: &str = "multipart/form-data; boundary=b2b1a0f3-3c33-4b3a-9f0c-6a2d6a0d9f7e";

fn java(fields: &[(&str, &str)]) -> String {
    let boundary = JAVA_FORM.split_once("boundary=").expect("a boundary").1;
    let mut form = String::new();
    for (name, value) in fields {
        form += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Transfer-Encoding: binary\r\n\
             Content-Type: multipart/form-data; charset=utf-8\r\n"
        );
        if !value.starts_with('<') {
            form += &format!("Content-Length: {}\r\n", value.len());
        }
        form += &format!("\r\n{value}\r\n");
    }
    form + &format!("--{boundary}--\r\n")
}

/// Said in every form; `size` is the whole file's unless a part says its own.
const JAVA_BASE: [(&str, &str); 6] = [
    ("store_location", "s3"),
    ("filename", "java.txt"),
    ("mimetype", "text/plain"),
    ("apikey", "<KEY>"),
    ("policy", "<POLICY>"),
    ("signature", "<SIGNATURE>"),
];
const JAVA_BEGUN: [(&str, &str); 3] = [("uri", "<URI>"), ("region", "<REGION>"), ("upload_id", "<UPLOAD>")];

fn java_with(own: &[(&str, &str)]) -> String {
    java(&[&JAVA_BASE[..], &JAVA_BEGUN, own].concat())
}

#[tokio::test]
async fn java_plain() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, JAVA);
    let file = b"short reads make short parts";
    client.begin(JAVA_FORM, &java(&[&JAVA_BASE[..], &[("size", "28")]].concat())).await;
    let mut parts = Vec::new();
    for (number, piece) in [("2", &file[6..]), ("1", &file[..6])] {
        let command = java_with(&[("part", number), ("size", "<LENGTH>"), ("md5", "<MD5>")]);
        let etag = client.deliver(JAVA_FORM, &command, "Content-Type: text/plain", piece).await;
        parts.insert(0, format!("{number}:{etag}"));
    }
    client.complete(&app, JAVA_FORM, &java_with(&[("size", "28"), ("parts", &parts.join(";"))]), file).await;
}

#[tokio::test]
async fn java_intelligent() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, JAVA);
    let file = b"short reads make short parts";
    let begun =
        client.begin(JAVA_FORM, &java(&[&JAVA_BASE[..], &[("size", "28"), ("multipart", "true")]].concat())).await;
    assert_eq!(begun["upload_type"], "intelligent_ingestion");
    for (part, offset, piece) in [("1", "0", &file[..4]), ("1", "4", &file[4..9]), ("2", "0", &file[9..])] {
        let command = java_with(&[
            ("multipart", "true"),
            ("part", part),
            ("size", "<LENGTH>"),
            ("md5", "<MD5>"),
            ("offset", offset),
        ]);
        client.deliver(JAVA_FORM, &command, "Content-Type: text/plain", piece).await;
    }
    for part in ["1", "2"] {
        let commit = java_with(&[("size", "28"), ("multipart", "true"), ("part", part)]);
        client.command("commit", JAVA_FORM, &commit).await.expect(200);
    }
    client.complete(&app, JAVA_FORM, &java_with(&[("size", "28"), ("multipart", "true")]), file).await;
}

/// filestack-js before 3 and filestack-python before 3: lists and tags are JSON texts, Python sends an empty file along.
#[tokio::test]
async fn older_clients() {
    const FORM: &str = "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW";
    let form = |fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, value)| {
            format!("------WebKitFormBoundary7MA4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        });
        let file = "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"file\"; filename=\"old.txt\"\r\n\r\n\r\n";
        fields.collect::<String>() + file + "------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n"
    };
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, "Accept: */*\nUser-Agent: filestack-python 2.4.0");
    let start = [
        ("apikey", "<KEY>"),
        ("filename", "old.txt"),
        ("mimetype", "text/plain"),
        ("size", "9"),
        ("store_location", "s3"),
        ("store_path", "old/"),
        ("store_access", "private"),
        ("multipart", "true"),
        ("upload_tags", r#"{"a":"b"}"#),
        ("workflows", r#"["6a8a12e2-1ff6-4b21-98f6-0e9d9b7b2d53"]"#),
        ("policy", "<POLICY>"),
        ("signature", "<SIGNATURE>"),
    ];
    assert_eq!(client.begin(FORM, &form(&start)).await["upload_type"], "intelligent_ingestion");
    let begun = [("apikey", "<KEY>"), ("uri", "<URI>"), ("region", "<REGION>"), ("upload_id", "<UPLOAD>")];
    let with = |own: &[(&str, &str)]| form(&[&begun[..], own].concat());
    for (offset, piece) in [("0", &b"in two"[..]), ("6", b" go")] {
        let own = [("multipart", "true"), ("part", "1"), ("offset", offset), ("size", "<LENGTH>"), ("md5", "<MD5>")];
        client.deliver(FORM, &with(&own), "Accept: */*", piece).await;
    }
    client.command("commit", FORM, &with(&[("part", "1"), ("size", "9")])).await.expect(200);
    let own = [("multipart", "true"), ("size", "9"), ("filename", "old.txt"), ("mimetype", "text/plain")];
    let stored = client.complete(&app, FORM, &with(&own), b"in two go").await;
    assert_eq!(stored["upload_tags"], serde_json::json!({ "a": "b" }));
    assert!(stored["key"].as_str().is_some_and(|key| key.starts_with("old/")), "{stored}");
}
