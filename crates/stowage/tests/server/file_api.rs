//! `GET|HEAD /api/file/{handle}` (spec 02 §2): what it answers, parts of files, conditions.

use stowage_core::disposition::filename_of;

use crate::support::{
    App, HttpAnswer, Stowage, allowing, client, get, raw_request, send, server, signed, store, text_of,
};

/// A stored file and where the File API has it.
async fn stored_file(server: &Stowage, app: &App, query: &str, content: impl Into<reqwest::Body>) -> (String, String) {
    let stored = store(server, app, query, content).await;
    let handle = text_of(&stored, "handle").to_owned();
    let path = format!("/api/file/{handle}");
    (handle, path)
}

async fn get_with(server: &Stowage, path: &str, headers: &[(&str, &str)]) -> HttpAnswer {
    let request = client().get(format!("{}{path}", server.url()));
    send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

#[tokio::test]
async fn a_read_has_the_documented_headers_and_head_the_same() {
    let server = server();
    let app = server.app("shop", &[]);
    let (handle, path) = stored_file(&server, &app, "filename=hello.txt&mimetype=text/plain", "hello world").await;
    for path in [path.clone(), format!("{path}/"), format!("/{handle}")] {
        let read = get(&server, &path).await.expect(200);
        assert_eq!(read.text(), "hello world");
        assert_eq!(read.header("content-type"), "text/plain");
        assert_eq!(read.header("content-length"), "11");
        assert_eq!(read.header("content-disposition"), "inline; filename=\"hello.txt\"");
        assert_eq!(read.header("x-file-name"), "hello.txt");
        assert_eq!(read.header("accept-ranges"), "bytes");
        assert_eq!(read.header("x-content-type-options"), "nosniff");
        let tag = read.header("etag");
        assert!(tag.len() > 10 && tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
        httpdate::parse_http_date(read.header("last-modified")).expect("a date");
        let head = send(client().head(format!("{}{path}", server.url()))).await.expect(200);
        assert!(head.body.is_empty());
        for name in [
            "content-type",
            "content-length",
            "content-disposition",
            "x-file-name",
            "accept-ranges",
            "etag",
            "last-modified",
            "cache-control",
        ] {
            assert_eq!(head.header(name), read.header(name), "{path}: {name}");
        }
    }
}

/// Decorations of the libraries: extension, file name, JavaScript's retrieve, old browser code.
#[tokio::test]
async fn query_parameters_and_decorated_paths() {
    let server = server();
    let app = server.app("shop", &[]);
    let (handle, path) = stored_file(&server, &app, "filename=caf%C3%A9.txt&mimetype=text/plain", "hello world").await;
    for decorated in [
        format!("{path}+txt"),
        format!("{path}%2Btxt"),
        format!("{path}/name.txt"),
        format!("{path}/a%20name.txt"),
        format!("{path}?key={}&dl=false&cache=false&base64encode=false", app.key),
        format!("{path}?_cacheBust=1&plugin=js_lib&&policy=&signature="),
        format!("{path}?policy&signature"),
    ] {
        let read = get(&server, &decorated).await;
        assert_eq!((read.status, read.text()), (200, "hello world"), "{decorated}");
        assert!(read.header("content-disposition").starts_with("inline;"), "{decorated}");
        assert_eq!(read.header("cache-control"), "no-cache", "{decorated}");
    }
    let download = get(&server, &format!("{path}?dl=true")).await;
    let disposition = download.header("content-disposition");
    assert!(disposition.starts_with("attachment;"), "{disposition}");
    assert_eq!(filename_of(disposition).as_deref(), Some("café.txt"));
    let cached = get(&server, &format!("{path}?cache=true")).await;
    assert_eq!(cached.header("cache-control"), "public, max-age=2592000");
    let streamed = get_with(&server, &path, &[("X-NO-STREAM", "true")]).await.expect(200);
    assert_eq!(streamed.text(), "hello world");
    let quirk =
        get(&server, &format!("/api/file/{handle}+txt/metadata?dl=true&cache=true&key={}&size=true", app.key)).await;
    assert_eq!(quirk.json(), serde_json::json!({ "size": 11 }));
}

#[tokio::test]
async fn base64encode_gives_text_of_the_file() {
    let server = server();
    let app = server.app("shop", &[]);
    // Lengths of each remainder by three, in one chunk and in many.
    for length in [0usize, 1, 2, 3, 11, 100_000, 700_001] {
        let content: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        // An empty body is no file, so an empty file comes as an empty part.
        let (content_type, form) =
            crate::support::multipart(&[(r#"name="fileUpload"; filename="a.bin""#, None, &content)]);
        let upload = client()
            .post(format!("{}/api/store/S3?key={}", server.url(), app.key))
            .header("Content-Type", content_type);
        let stored = send(upload.body(form)).await.expect(200).json();
        let url = format!("{}/api/file/{}?base64encode=true", server.url(), text_of(&stored, "handle"));
        let encoded = send(client().get(&url)).await.expect(200);
        assert_eq!(encoded.text(), base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &content));
        let head = send(client().head(&url)).await.expect(200);
        assert_eq!(head.header("content-length"), encoded.body.len().to_string());
    }
}

#[tokio::test]
async fn single_ranges_are_exact() {
    let server = server();
    let app = server.app("shop", &[]);
    // Larger than what is kept in memory and than one chunk of reading.
    let content: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let size = content.len();
    let (handle, path) = stored_file(&server, &app, "filename=a.bin&mimetype=application/x-own", content.clone()).await;
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=1-4", 1, 4),
        ("bytes=700000-", 700_000, size - 1),
        ("bytes=262100-786500", 262_100, 786_500),
        ("bytes=-5", size - 5, size - 1),
        ("bytes=-9999999999999999999999", 0, size - 1),
        ("bytes=1199999-99999999", 1_199_999, size - 1),
        ("Bytes=5-5 ", 5, 5),
        ("bytes=0-9,5-19", 0, 19),
        ("bytes=3-3,9999999-", 3, 3),
    ] {
        for path in [&path, &format!("/{handle}")] {
            let part = get_with(&server, path, &[("Range", range)]).await.expect(206);
            assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/{size}"), "{range}");
            assert_eq!(part.header("content-length"), (last - first + 1).to_string(), "{range}");
            assert_eq!(part.header("content-type"), "application/x-own");
            assert!(part.body == content[first..=last], "{range}: other bytes");
        }
    }
    for ignored in ["bytes=5-4", "bytes=", "bytes", "items=0-1", "bytes=a-b", "bytes=0-1;2-3", "bytes=--1"] {
        let whole = get_with(&server, &path, &[("Range", ignored)]).await.expect(200);
        assert!(whole.body == content, "{ignored}");
        assert!(!whole.headers.contains_key("content-range"));
    }
    for outside in ["bytes=1200000-", "bytes=1200000-1300000,9999999-", "bytes=-0"] {
        let none = get_with(&server, &path, &[("Range", outside)]).await.expect(416);
        assert_eq!(none.header("content-range"), "bytes */1200000", "{outside}");
        assert_eq!(none.header("x-stowage-error"), "range_not_satisfiable");
    }
    let head = raw_request(&server, &format!("HEAD {path} HTTP/1.1\nRange: bytes=1-4"), b"").await.expect(206);
    assert_eq!((head.header("content-length"), head.body.len()), ("4", 0));
}

#[tokio::test]
async fn several_ranges_are_parts_of_a_form() {
    let server = server();
    let app = server.app("shop", &[]);
    for length in [26usize, 500_000] {
        let content: Vec<u8> = (0..length).map(|index| b'a' + (index % 26) as u8).collect();
        let (_, path) = stored_file(&server, &app, "filename=a.txt&mimetype=text/plain", content.clone()).await;
        let many = (0..33).map(|index| format!("{0}-{0}", index * 2)).collect::<Vec<_>>().join(",");
        let too_many = get_with(&server, &path, &[("Range", &format!("bytes={many}"))]).await.expect(200);
        assert!(too_many.body == content, "more ranges than anybody needs: the whole file");
        for (range, expected) in [
            ("bytes=0-2,20-22", vec![(0, 2), (20, 22)]),
            ("bytes=20-22, 0-2", vec![(20, 22), (0, 2)]),
            ("bytes=-2,0-0,9999999-", vec![(length - 2, length - 1), (0, 0)]),
            ("bytes=0-1,4-5,8-9,8-10", vec![(0, 1), (4, 5), (8, 10)]),
        ] {
            let answer = get_with(&server, &path, &[("Range", range)]).await.expect(206);
            assert_eq!(answer.header("content-length"), answer.body.len().to_string());
            let parts = byte_ranges(&answer);
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(first, last)| (format!("bytes {first}-{last}/{length}"), content[first..=last].to_vec()))
                .collect();
            assert_eq!(parts, expected, "{range}");
            let head = raw_request(&server, &format!("HEAD {path} HTTP/1.1\nRange: {range}"), b"").await.expect(206);
            assert_eq!(head.header("content-length"), answer.header("content-length"), "boundaries have one length");
            assert!(head.body.is_empty());
        }
    }
}

/// `Content-Range` and bytes of each part of a `multipart/byteranges` body, read strictly (RFC 9110 §14.6, RFC 2046 §5.1.1).
fn byte_ranges(answer: &HttpAnswer) -> Vec<(String, Vec<u8>)> {
    let boundary =
        answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").expect("several ranges");
    let text = answer.text();
    let delimiter = format!("\r\n--{boundary}");
    let mut pieces = text.split(delimiter.as_str());
    assert_eq!(pieces.next(), Some(""), "nothing before the first part");
    let mut pieces: Vec<&str> = pieces.collect();
    assert_eq!(pieces.pop(), Some("--\r\n"), "the closing boundary is last");
    let read = |piece: &str| {
        let (head, body) = piece.split_once("\r\n\r\n").expect("a part has a head");
        let lines: Vec<&str> = head.split("\r\n").collect();
        let ["", "Content-Type: text/plain", range] = lines[..] else { panic!("{head:?}") };
        (range.strip_prefix("Content-Range: ").expect("a range").to_owned(), body.as_bytes().to_vec())
    };
    pieces.into_iter().map(read).collect()
}

#[tokio::test]
async fn an_empty_file_has_no_ranges() {
    let server = server();
    let app = server.app("shop", &[]);
    let (content_type, form) = crate::support::multipart(&[(r#"name="fileUpload"; filename="empty.txt""#, None, b"")]);
    let upload =
        client().post(format!("{}/api/store/S3?key={}", server.url(), app.key)).header("Content-Type", content_type);
    let stored = send(upload.body(form)).await.expect(200).json();
    assert_eq!(stored["size"], 0);
    let path = format!("/{}", text_of(&stored, "handle"));
    let read = get(&server, &path).await.expect(200);
    assert_eq!((read.body.len(), read.header("content-length")), (0, "0"));
    get_with(&server, &path, &[("Range", "bytes=0-")]).await.expect(416);
}

#[tokio::test]
async fn conditions_spare_the_bytes() {
    let server = server();
    let app = server.app("shop", &[]);
    let (handle, path) = stored_file(&server, &app, "filename=a.txt", "hello world").await;
    let first = get(&server, &path).await.expect(200);
    let (tag, date) = (first.header("etag"), first.header("last-modified"));
    assert_eq!(get(&server, &format!("/{handle}")).await.header("etag"), tag, "one tag, whichever URL");
    let modified = httpdate::parse_http_date(date).expect("a date");
    let hour = std::time::Duration::from_secs(3600);
    let (earlier, later) = (httpdate::fmt_http_date(modified - hour), httpdate::fmt_http_date(modified + hour));
    let weak = format!("W/{tag}");
    let list = format!("\"other\", {tag}");
    for (case, headers, status) in [
        ("the tag", vec![("If-None-Match", tag)], 304),
        ("the tag, weakly", vec![("If-None-Match", weak.as_str())], 304),
        ("the tag among others", vec![("If-None-Match", list.as_str())], 304),
        ("any tag", vec![("If-None-Match", "*")], 304),
        ("another tag", vec![("If-None-Match", "\"other\"")], 200),
        ("its date", vec![("If-Modified-Since", date)], 304),
        ("a later date", vec![("If-Modified-Since", later.as_str())], 304),
        ("an earlier date", vec![("If-Modified-Since", earlier.as_str())], 200),
        ("no date", vec![("If-Modified-Since", "yesterday")], 200),
        (
            "the tag wins over the date",
            vec![("If-None-Match", "\"other\""), ("If-Modified-Since", later.as_str())],
            200,
        ),
        ("304 wins over a range", vec![("If-None-Match", tag), ("Range", "bytes=0-1")], 304),
        ("a range of the same content", vec![("If-Range", tag), ("Range", "bytes=0-1")], 206),
        ("a range since its date", vec![("If-Range", date), ("Range", "bytes=0-1")], 206),
        ("a range of other content", vec![("If-Range", "\"other\""), ("Range", "bytes=0-1")], 200),
        ("a range since another date", vec![("If-Range", earlier.as_str()), ("Range", "bytes=0-1")], 200),
        ("a weak tag is no base for a range", vec![("If-Range", weak.as_str()), ("Range", "bytes=0-1")], 200),
    ] {
        for path in [&path, &format!("/{handle}")] {
            let answer = get_with(&server, path, &headers).await;
            assert_eq!(answer.status, status, "{case}");
            let content = match status {
                304 => "",
                206 => "he",
                _ => "hello world",
            };
            assert_eq!(answer.text(), content, "{case}");
            assert_eq!((answer.header("etag"), answer.header("last-modified")), (tag, date), "{case}");
        }
    }
}

#[tokio::test]
async fn tag_and_date_follow_the_content() {
    let server = server();
    let app = server.app("shop", &[]);
    let (_, path) = stored_file(&server, &app, "filename=a.txt", "one").await;
    let overwrite = async |content: &'static str| {
        let request =
            client().post(format!("{}{path}", server.url())).basic_auth("app", Some(&app.secret)).body(content);
        send(request).await.expect(200);
    };
    let first = get(&server, &path).await;
    assert_eq!(get(&server, &path).await.header("etag"), first.header("etag"), "stable");
    overwrite("two").await;
    let second = get_with(&server, &path, &[("If-None-Match", first.header("etag"))]).await.expect(200);
    assert_eq!(second.text(), "two");
    assert_ne!(second.header("etag"), first.header("etag"));
    let dated = |answer: &HttpAnswer| httpdate::parse_http_date(answer.header("last-modified")).expect("a date");
    assert!(dated(&second) >= dated(&first));
    get_with(&server, &path, &[("If-None-Match", second.header("etag"))]).await.expect(304);
}

#[tokio::test]
async fn unknown_files_are_404_everywhere() {
    let server = server();
    let app = server.app("shop", &[]);
    for handle in ["AAAAAAAAAAAAAAAAAAAA", "short", "AAAAAAAAAAAAAAAAAAAAA", "%00", "AAAAAAAAAA.AAAAAAAAA"] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
            let path = format!("/api/file/{handle}");
            let answer =
                raw_request(&server, &format!("{method} {path} HTTP/1.1\nAuthorization: Basic eDp5"), b"").await;
            assert_eq!(answer.status, 404, "{method} {path}");
            if method != "HEAD" {
                assert_eq!(
                    (answer.text(), answer.header("content-type")),
                    ("File not found", "text/plain; charset=utf-8")
                );
            }
        }
        get(&server, &format!("/api/file/{handle}/metadata")).await.expect(404);
    }
    drop(app);
}

/// HTTP Basic and policies on reading; `read` is the call, and the policy of a shared cache is `private`.
#[tokio::test]
async fn reading_a_secured_file() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let stored = store(&server, &app, &signed(&app, &allowing(&["store"])), "hello world").await;
    let handle = text_of(&stored, "handle");
    let path = format!("/api/file/{handle}");
    let refused = get(&server, &path).await.expect(403);
    assert_eq!(refused.text(), "policy error: proper credentials were not provided");
    let policy = signed(&app, &allowing(&["read"]));
    for path in [
        format!("{path}?{policy}"),
        format!("{path}?&&{policy}"),
        format!("/{handle}?dl=true&{policy}"),
        format!("{path}+txt?{policy}"),
    ] {
        let read = get(&server, &path).await.expect(200);
        assert_eq!(read.text(), "hello world");
        let cache = read.header("cache-control");
        assert!(!cache.contains("public"), "{cache}");
    }
    let basic = async |user: &str, password: &str| {
        send(client().get(format!("{}{path}", server.url())).basic_auth(user, Some(password))).await
    };
    basic("app", &app.secret).await.expect(200);
    basic("app", "wrong").await.expect(403);
    basic("root", &app.secret).await.expect(403);
    basic(&app.key, &app.secret).await.expect(403);
}
