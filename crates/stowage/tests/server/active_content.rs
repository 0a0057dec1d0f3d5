//! What a browser does with the bytes that come back (threats B8, F1–F4): nothing that a stranger uploaded may run here.

use reqwest::{Client, Response};
use serde_json::Value;

use crate::{
    hostile::encoded,
    support::{App, Stowage, client, server},
};

const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"><script>alert(2)</script></svg>";
const HTML: &str = "<!DOCTYPE html><html><body onload=alert(1)><script>alert(2)</script></body></html>";
const XHTML: &str =
    "<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><script>alert(1)</script></html>";
const XML: &str = "<?xml version=\"1.0\"?><?xml-stylesheet type=\"text/xsl\" href=\"#s\"?><a/>";

async fn upload(
    http: &Client,
    server: &Stowage,
    app: &App,
    query: &str,
    content_type: Option<&str>,
    content: &[u8],
) -> Value {
    let url = format!("{}/api/store/S3?key={}&{query}", server.url(), app.key);
    let mut request = http.post(url).body(content.to_vec());
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let response = request.send().await.expect("the server answers");
    assert_eq!(response.status(), 200, "{query} {content_type:?}");
    response.json().await.expect("JSON")
}

/// Every way to read a file's bytes.
fn ways(server: &Stowage, app: &App, stored: &Value) -> Vec<String> {
    let handle = stored["handle"].as_str().expect("a handle");
    let base = server.url();
    let key = &app.key;
    vec![
        format!("{base}/{handle}"),
        format!("{base}/{handle}+png"),
        format!("{base}/{key}/{handle}"),
        format!("{base}/cache=expiry:max/{handle}"),
        format!("{base}/content=filename:a.png/{handle}"),
        format!("{base}/content=type:image%2Fpng/{handle}"),
        format!("{base}/api/file/{handle}"),
        format!("{base}/api/file/{handle}+png"),
        format!("{base}/api/file/{handle}/a.png"),
        format!("{base}/api/file/{handle}?dl=false&cache=true"),
    ]
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("headers are ASCII"))
}

fn is_caged(case: &str, response: &Response) {
    let attachment = header(response, "content-disposition").starts_with("attachment");
    assert!(attachment, "{case}: not an attachment: {:?}", response.headers());
    let policy = header(response, "content-security-policy");
    for directive in ["default-src 'none'", "sandbox"] {
        assert!(policy.split(';').any(|part| part.trim() == directive), "{case}: no {directive} in `{policy}`");
    }
    assert!(!policy.contains("allow-scripts") && !policy.contains("unsafe-eval"), "{case}: {policy}");
    assert_eq!(header(response, "x-content-type-options"), "nosniff", "{case}");
}

#[tokio::test]
async fn documents_that_run_script_leave_in_a_cage() {
    let server = server();
    let app = server.app("shop", &[]);
    let http = client();
    for (query, content_type, content) in [
        ("filename=a.svg", None, SVG),
        ("filename=a.html", None, HTML),
        ("filename=a.HTM", None, HTML),
        ("filename=a.xhtml", None, XHTML),
        ("filename=a.xml", None, XML),
        ("filename=a.xsl", None, XML),
        ("filename=a.rss", None, XML),
        ("filename=a.png", Some("image/svg+xml"), SVG),
        ("filename=a.png", Some("TEXT/HTML; charset=utf-7"), HTML),
        ("filename=a.txt", Some("application/xhtml+xml"), XHTML),
        ("filename=a.txt", Some("application/atom+xml"), XML),
        ("filename=a.txt", Some("multipart/x-mixed-replace; boundary=b"), HTML),
        ("filename=a.txt", Some("message/rfc822"), HTML),
        ("filename=a.png&mimetype=text/html", Some("image/png"), HTML),
        ("filename=a.png&mimetype=image/svg%2Bxml", Some("image/png"), SVG),
        // Nothing says what it is but the bytes.
        ("", None, HTML),
        ("", None, SVG),
        ("", Some("application/octet-stream"), HTML),
        ("", Some("application/octet-stream"), XHTML),
    ] {
        let stored = upload(&http, &server, &app, query, content_type, content.as_bytes()).await;
        for way in ways(&server, &app, &stored) {
            let case = format!("{query} {content_type:?} {way}");
            for request in [http.get(&way), http.head(&way), http.get(&way).header("range", "bytes=0-9")] {
                let response = request.send().await.expect(&case);
                assert!(response.status().is_success(), "{case}: {response:?}");
                is_caged(&case, &response);
            }
            let ranges = http.get(&way).header("range", "bytes=0-1,5-6").send().await.expect(&case);
            is_caged(&case, &ranges);
        }
    }
}

/// A type that the bytes do not have is a lie, but a browser that is told not to sniff believes it and shows a broken picture.
#[tokio::test]
async fn disguised_documents_are_never_sniffed() {
    let server = server();
    let app = server.app("shop", &[]);
    let http = client();
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(HTML.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let utf7 = b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-";
    let late = format!("{}{HTML}", " ".repeat(400));
    let gif = [b"GIF89a/*".as_slice(), HTML.as_bytes()].concat();
    for (query, content_type, content) in [
        ("filename=a.png", Some("image/png"), HTML.as_bytes()),
        ("filename=a.jpg&mimetype=image/jpeg", None, HTML.as_bytes()),
        ("filename=a.txt", Some("text/plain"), HTML.as_bytes()),
        ("filename=a.txt", Some("text/plain"), &utf16),
        ("filename=a.txt", Some("text/plain; charset=utf-7"), utf7),
        ("filename=a.gif", Some("image/gif"), &gif),
        ("filename=a.bin", Some("application/x-unknown"), late.as_bytes()),
        ("filename=a.pdf", Some("application/pdf"), SVG.as_bytes()),
    ] {
        let stored = upload(&http, &server, &app, query, content_type, content).await;
        for way in ways(&server, &app, &stored) {
            let response = http.get(&way).send().await.expect(&way);
            assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{query} {way}");
            let media_type = header(&response, "content-type");
            // No parameter of the client survives, so neither does its charset.
            assert!(
                !media_type.contains(';') && !media_type.contains("html") && !media_type.contains("xml"),
                "{query}: {media_type}"
            );
        }
    }
}

#[tokio::test]
async fn a_url_cannot_make_a_harmless_file_run() {
    let server = server();
    let app = server.app("shop", &[]);
    let http = client();
    let stored = upload(&http, &server, &app, "filename=a.txt", Some("text/plain"), HTML.as_bytes()).await;
    let handle = stored["handle"].as_str().expect("a handle");
    for media_type in [
        "text/html",
        "TEXT/HTML",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "application/rss+xml",
        "text/html;a=b",
    ] {
        let url = format!("{}/content=type:{}/{handle}", server.url(), encoded(media_type));
        let response = http.get(&url).send().await.expect("an answer");
        assert_eq!(response.status(), 400, "{media_type}: {:?}", response.headers());
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    }
    // Nor do parameters that other servers know.
    for query in ["response-content-type=text/html", "content_type=text/html", "mimetype=text/html", "type=text/html"] {
        let response = http.get(format!("{}/{handle}?{query}", server.url())).send().await.expect("an answer");
        assert_eq!(header(&response, "content-type"), "text/plain", "{query}");
    }
}

#[tokio::test]
async fn no_name_breaks_out_of_its_header() {
    let server = server();
    let app = server.app("shop", &[]);
    let http = client();
    for (name, disposition) in [
        ("a\"; filename=\"b.html", "inline; filename=\"a\\\"; filename=\\\"b.html\""),
        ("a\";filename*=UTF-8''b.html;x=\"", "inline; filename=\"a\\\";filename*=UTF-8''b.html;x=\\\"\""),
        ("a;b=c, d.txt", "inline; filename=\"a;b=c, d.txt\""),
        ("%0d%0aX-Evil: yes", "inline; filename=\"%0d%0aX-Evil: yes\""),
        ("naïve \"x\".txt", "inline; filename=\"na_ve \\\"x\\\".txt\"; filename*=UTF-8''na%C3%AFve%20%22x%22.txt"),
        ("\u{202e}gpj.txt", "inline; filename=\"_gpj.txt\"; filename*=UTF-8''%E2%80%AEgpj.txt"),
        ("<script>alert(1)<.txt", "inline; filename=\"<script>alert(1)<.txt\""),
    ] {
        let query = format!("filename={}&mimetype=text/plain", encoded(name));
        let stored = upload(&http, &server, &app, &query, None, b"content").await;
        assert_eq!(stored["filename"], name);
        let url = stored["url"].as_str().expect("a url");
        let response = http.get(url).send().await.expect("an answer");
        assert_eq!(header(&response, "content-disposition"), disposition);
        assert!(response.headers().get("x-evil").is_none());
        assert!(response.headers()["x-file-name"].to_str().is_ok());
        let download = http.get(format!("{url}?dl=true")).send().await.expect("an answer");
        assert_eq!(header(&download, "content-disposition"), disposition.replacen("inline", "attachment", 1));
        let handle = stored["handle"].as_str().expect("a handle");
        let renamed = format!("{}/content=filename:%22{}%22/{handle}", server.url(), encoded(&name.replace('"', "'")));
        let renamed = http.get(renamed).send().await.expect("an answer");
        assert!(
            renamed.headers().get("x-evil").is_none() && header(&renamed, "content-disposition").is_ascii(),
            "{name}"
        );
    }
}

/// What an error repeats of a request is text, never a document.
#[tokio::test]
async fn errors_are_no_documents() {
    let server = server();
    let app = server.app("shop", &[]);
    let http = client();
    let attack = encoded("<script>alert(1)</script>");
    for url in [
        format!("/{attack}"),
        format!("/{attack}=x/{attack}"),
        format!("/api/file/{attack}"),
        format!("/api/{attack}"),
        format!("/{}/{attack}/http://127.0.0.1/", app.key),
        format!("/{}/store=path:{attack}{attack}/7xSJALUhSlCDCNujt5Ku", app.key),
        format!("/metadata=[{attack}]/7xSJALUhSlCDCNujt5Ku"),
    ] {
        let response = http.get(format!("{}{url}", server.url())).send().await.expect(&url);
        assert!(response.status().is_client_error(), "{url}");
        let media_type = header(&response, "content-type");
        assert!(media_type.starts_with("text/plain") || media_type == "application/json", "{url}: {media_type}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{url}");
        assert_eq!(header(&response, "cache-control"), "no-store", "{url}");
    }
}
