//! Handles, sources, security and the base64 form (spec 02 §3.3–3.5, 10 §2.3).

use super::*;

#[test]
fn a_handle_is_read_with_all_its_decorations() {
    for (path, key, metadata) in [
        ("/{H}", None, false),
        ("{H}", None, false),
        ("/{H}/", None, false),
        ("/{H}+txt", None, false),
        ("/{H}%2Btxt", None, false),
        ("/{H}/metadata", None, true),
        ("/{H}+txt/metadata", None, true),
        ("/file/{H}/metadata", None, true),
        ("/file/{H}", None, false),
        ("/{KEY}/{H}", Some(KEY), false),
        ("/{KEY}/{H}/metadata", Some(KEY), true),
        ("//{KEY}//{H}", Some(KEY), false),
        ("/metadata/{H}", None, true),
        ("/{KEY}/security=policy:P,signature:S/metadata/{H}", Some(KEY), true),
        ("/{H2}/{H}", Some(H2), false),
    ] {
        let read = read(path);
        assert_eq!(read.source, handle(H), "{path}");
        assert_eq!(read.key.as_deref(), key, "{path}");
        assert_eq!(read.tasks == [task("metadata", &[])], metadata, "{path}");
    }
}

#[test]
fn security_is_read_in_every_order_and_alphabet() {
    let standard = "eyJ1cmwi/Oi8+Lz8/fQ==";
    let escaped = "eyJ1cmwi%2FOi8%2BLz8%2FfQ%3D%3D";
    for segment in [
        format!("security=policy:{standard},signature:{SIGNATURE}"),
        format!("security=p:{standard},s:{SIGNATURE}"),
        format!("security=signature:{SIGNATURE},policy:{standard}"),
        format!("security=s:{SIGNATURE},p:{standard}"),
        format!("security=policy:{escaped},signature:{SIGNATURE}"),
        format!("Security=signature:{SIGNATURE},policy:{escaped}"),
        format!("security=policy:%22{escaped}%22,signature:{SIGNATURE}"),
        format!("security%3Dpolicy%3A{escaped}%2Csignature%3A{SIGNATURE}"),
    ] {
        for path in [
            format!("/{KEY}/{segment}/resize=width:1/{H}"),
            format!("/{KEY}/resize=width:1/{segment}/{H}"),
            format!("/resize=width:1/{segment}/https://e.com/{H}/x"),
        ] {
            let read = read(&path);
            assert_eq!(read.security, security(standard, SIGNATURE), "{path}");
            assert_eq!(names(&read), ["resize"], "{path}");
        }
    }
}

#[test]
fn the_first_security_wins_and_an_empty_one_is_none() {
    let path = read("/security=p:A,s:1/security=p:B,s:2/{H}");
    assert_eq!(path.security, security("A", "1"));
    assert_eq!(read("/security=/{H}").security, None);
    assert_eq!(read("/security=p:A/{H}").security, security("A", ""));
}

#[test]
fn base64_tasks_and_sources_are_read() {
    let path = read("/DEFAULT_API_KEY/b64/W3sibmFtZSI6InVwc2NhbGUifV0=/b64://NWFZa0VRSlNRQ21ZU2hzb0NuWk4=");
    assert_eq!(path.key.as_deref(), Some("DEFAULT_API_KEY"));
    assert_eq!(names(&path), ["upscale"]);
    assert_eq!(path.source, handle(H2));

    let path = read("/b64://WzVhWWtFUUpTUUNtWVNoc29DblpOLDRhWWtFUUpTUUNtWVNoc29DblpOXQ==");
    assert_eq!(path.source, Source::List(vec![handle(H2), handle("4aYkEQJSQCmYShsoCnZN")]));

    let path = read(
        "/Ao0CKsWbSr61dG1HAQjtlz/b64/W3siTmFtZSI6InZpZ25ldHRlIiwiUGFyYW1zIjpudWxsfV0=/b64://aHR0cHM6Ly9pLmlwbHNjLmNvbS8xLzAwMDRDWEczOVFYR0k2QjQtQzMyMS1GNC5qcGc=",
    );
    assert_eq!(path.tasks, [task("vignette", &[])]);
    assert_eq!(path.source, url("https://i.iplsc.com/1/0004CXG39QXGI6B4-C321-F4.jpg"));

    let path = read("/b64/W3sibmFtZSI6InJlc2l6ZSIsInBhcmFtcyI6eyJ3aWR0aCI6MTB9fV0/b64://N3hTSkFMVWhTbENEQ051anQ1S3U");
    assert_eq!(path.tasks, [task("resize", &[("width", text("10"))])]);
    assert_eq!(path.source, handle(H));
}

#[test]
fn base64_parameters_keep_their_shape() {
    use base64::{Engine, engine::general_purpose::URL_SAFE};
    let json = format!(
        r#"[{{"name":"cache","params":false}},{{"name":"security","params":{{"policy":"P","signature":"S"}}}},
            {{"name":"crop","params":{{"Dim":[1,[2.5]],"gone":null}}}},{{"name":"store","params":{{"workflows":[{{"id":"w"}}]}}}},
            {{"name":"watermark","params":{{"file":"{H2}","deep":{{"a":1}}}}}}]"#
    );
    let path = read(&format!("/resize=w:1/b64/{}/{H}", URL_SAFE.encode(json)));
    assert_eq!(path.security, security("P", "S"));
    assert_eq!(
        path.tasks[1..],
        [
            task("cache", &[("false", Value::Flag)]),
            task("crop", &[("dim", Value::List(vec![text("1"), Value::List(vec![text("2.5")])]))]),
            task("store", &[("workflows", list(&["w"]))]),
            task("watermark", &[("deep", text("{\"a\":1}")), ("file", text(H2))]),
        ]
    );
}

#[test]
fn source_urls_keep_their_own_encoding_and_query() {
    for (path, query, source, request) in [
        // Raw: the whole query is the source's, but for credentials of this server.
        ("/{KEY}/https://e.com/a.png", "x=1&y=%20", "https://e.com/a.png?x=1&y=%20", ""),
        ("/{KEY}/https://e.com/a.png", "x=1&policy=P&signature=S", "https://e.com/a.png?x=1", "policy=P&signature=S"),
        ("/{KEY}/https://e.com/a", "&policy=P&signature=S", "https://e.com/a", "policy=P&signature=S"),
        ("/{KEY}/https://e.com/a", "signature=S&Policy=P", "https://e.com/a?signature=S&Policy=P", ""),
        ("/{KEY}/https://e.com//a/../b%20c", "", "https://e.com//a/../b%20c", ""),
        ("/{KEY}/http:/e.com/a", "", "http://e.com/a", ""),
        ("/{KEY}/HTTPS://e.com/a", "", "https://e.com/a", ""),
        // Encoded as a whole or in closed quotes: the query is the request's.
        ("/{KEY}/https%3A%2F%2Fe.com%2Fa%2520b", "dl=true", "https://e.com/a%20b", "dl=true"),
        ("/{KEY}/https:%2F%2Fe.com%2Fa", "dl=true", "https://e.com/a", "dl=true"),
        ("/{KEY}/\"https://e.com/a,b%20c\"", "dl=true", "https://e.com/a,b%20c", "dl=true"),
        ("/{KEY}/%22https://e.com/a%22/", "dl=true", "https://e.com/a", "dl=true"),
        // Quotes still open: the query up to the closing one is the source's.
        ("/{KEY}/%22https://e.com/a", "x=1&y=2%22&dl=true", "https://e.com/a?x=1&y=2", "dl=true"),
        ("/{KEY}/\"https://e.com/a", "x=1\"", "https://e.com/a?x=1", ""),
    ] {
        let read = read_with_query(path, query);
        assert_eq!(read.source, url(source), "{path} ? {query}");
        assert_eq!(read.query, request, "{path} ? {query}");
    }
}

#[test]
fn other_sources_leave_the_query_to_the_request() {
    for (path, query, source, request) in [
        ("/{H}", "dl=true&policy=P", handle(H), "dl=true&policy=P"),
        ("/video_convert=preset:h264/{H}&force=true", "", handle(H), "force=true"),
        ("/{H}&force=true", "dl=true", handle(H), "force=true&dl=true"),
        (
            "/{KEY}/https://cdn.filestackcontent.com/resize=w:1/{H}+png",
            "policy=P&signature=S",
            handle(H),
            "policy=P&signature=S",
        ),
        ("/{KEY}/src://alias/a%20b.jpg", "dl=true", Source::Alias("src://alias/a b.jpg".to_owned()), "dl=true"),
        ("/{KEY}/src:/alias/a.jpg", "", Source::Alias("src://alias/a.jpg".to_owned()), ""),
        ("/{KEY}/%22src%3A%2F%2Falias%2Fa.jpg%22", "", Source::Alias("src://alias/a.jpg".to_owned()), ""),
        ("/{KEY}/wf://0a-b/c_d/e", "", Source::Workflow("wf://0a-b/c_d/e".to_owned()), ""),
    ] {
        let read = read_with_query(path, query);
        assert_eq!(read.source, source, "{path}");
        assert_eq!(read.query, request, "{path}");
    }
    let path = read_with_query("/{KEY}/zip/[https://e.com/1.jpg", "x=1,{H}]&dl=true");
    assert_eq!(path.query, "dl=true");
}

#[test]
fn lists_hold_every_kind_of_source() {
    let path = read("/{KEY}/zip/%5B{H},%20\"https://e.com/a,b\",b64://NWFZa0VRSlNRQ21ZU2hzb0NuWk4=,[{H2}]%5D");
    assert_eq!(
        path.source,
        Source::List(vec![handle(H), url("https://e.com/a,b"), handle(H2), Source::List(vec![handle(H2)]),])
    );
}

#[test]
fn values_of_parameters_are_sources_too() {
    use crate::delivery::parse_source;
    let handle = "7xSJALUhSlCDCNujt5Ku";
    assert_eq!(parse_source(handle), Ok(Source::Handle(Handle::parse(handle).expect("a handle"))));
    assert_eq!(
        parse_source("https://example.com/a%20b.png?size=2"),
        Ok(Source::Url("https://example.com/a%20b.png?size=2".to_owned()))
    );
    assert_eq!(parse_source("src://name/a.png"), Ok(Source::Alias("src://name/a.png".to_owned())));
    for wrong in ["", "../x", "resize=width:1/7xSJALUhSlCDCNujt5Ku", "file:///etc/passwd", "src://name/../x"] {
        assert!(parse_source(wrong).is_err(), "{wrong:?} was accepted");
    }
}
