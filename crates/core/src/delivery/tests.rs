//! The conformance URLs of spec 10 §11, the vectors of 10 §2.3 and 02 §3, and hostile paths (threats D4, D6).

use super::*;
use proptest::prelude::*;

const H: &str = "7xSJALUhSlCDCNujt5Ku";
const H2: &str = "5aYkEQJSQCmYShsoCnZN";
const KEY: &str = "AexampleKey0000000000z";
const SIGNATURE: &str = "358a4cc103caf382efdd6b6bc6a61e217793fba073e837e5922c873cdddd0845";

/// Writes out `{H}`, `{H2}` and `{KEY}`.
fn spelled(path: &str) -> String {
    path.replace("{H}", H).replace("{H2}", H2).replace("{KEY}", KEY)
}

fn read_with_query(path: &str, query: &str) -> DeliveryPath {
    parse(&spelled(path), Some(query)).expect(path)
}

fn read(path: &str) -> DeliveryPath {
    parse(&spelled(path), None).expect(path)
}

fn refusal(path: &str) -> String {
    parse(&spelled(path), None).expect_err(path).to_string()
}

fn handle(text: &str) -> Source {
    Source::Handle(Handle::parse(text).expect("a handle"))
}

fn url(text: &str) -> Source {
    Source::Url(text.to_owned())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn list(members: &[&str]) -> Value {
    Value::List(members.iter().map(|member| text(member)).collect())
}

fn task(name: &str, params: &[(&str, Value)]) -> Task {
    let params = params.iter();
    Task { name: name.to_owned(), params: params.map(|(name, value)| ((*name).to_owned(), value.clone())).collect() }
}

fn security(policy: &str, signature: &str) -> Option<PathSecurity> {
    Some(PathSecurity { policy: policy.to_owned(), signature: signature.to_owned() })
}

fn names(path: &DeliveryPath) -> Vec<&str> {
    path.tasks.iter().map(|task| task.name.as_str()).collect()
}

#[test]
fn tasks_of_a_handle_are_read_in_order() {
    let path = read("/resize=width:200/rotate=deg:90/crop=dim:[20,20,250,250]/{H}");
    assert_eq!(
        path,
        DeliveryPath {
            debug: false,
            key: None,
            tasks: vec![
                task("resize", &[("width", text("200"))]),
                task("rotate", &[("deg", text("90"))]),
                task("crop", &[("dim", list(&["20", "20", "250", "250"]))]),
            ],
            security: None,
            source: handle(H),
            query: String::new(),
        }
    );
}

#[test]
fn conformance_urls_with_unusual_sources() {
    let path = read("/{KEY}/[\"src://test123/a.jpg\",\"src://test123/b-400dpi.jpg\"]");
    assert_eq!(path.key.as_deref(), Some(KEY));
    assert_eq!(
        path.source,
        Source::List(vec![
            Source::Alias("src://test123/a.jpg".to_owned()),
            Source::Alias("src://test123/b-400dpi.jpg".to_owned()),
        ])
    );

    let path = read("/upscale/\"https://cdn.filestackcontent.com/{H}\"");
    assert_eq!(names(&path), ["upscale"]);
    assert_eq!(path.source, handle(H));

    let path = read("/{KEY}/zip/[https://some.tld/1.jpg,https://some.tld/2.jpg]");
    assert_eq!(names(&path), ["zip"]);
    assert_eq!(path.source, Source::List(vec![url("https://some.tld/1.jpg"), url("https://some.tld/2.jpg")]));

    let path = read("/{KEY}/resize=w:1/https%3A%2F%2Fe.com%2Fa%3Fb%3D1");
    assert_eq!(path.source, url("https://e.com/a?b=1"));

    let path = read("/{KEY}/security=p:P,s:S/text_sentiment=text:\"a, b/c: d\",language:en");
    assert_eq!(path.source, Source::None);
    assert_eq!(path.security, security("P", "S"));
    assert_eq!(path.tasks[0].text(&["text"]), Some("a, b/c: d"));
    assert_eq!(path.tasks[0].text(&["language"]), Some("en"));

    let path = read("/video_convert/5c0f33cc9c464e16592b7a01f6f8f5c1");
    assert_eq!(path.source, Source::None);
    assert_eq!(path.tasks, [task("video_convert", &[("uuid", text("5c0f33cc9c464e16592b7a01f6f8f5c1"))])]);
}

#[test]
fn conformance_urls_with_unusual_values() {
    for (path, expected) in [
        ("/{KEY}/fallback=handle:http:test.com/{H}", task("fallback", &[("handle", text("http:test.com"))])),
        ("/{KEY}/cache=false/{H}", task("cache", &[("false", Value::Flag)])),
        (
            "/partial_blur=amount:5,objects:[[20,20,50,50]]/{H}",
            task(
                "partial_blur",
                &[("amount", text("5")), ("objects", Value::List(vec![list(&["20", "20", "50", "50"])]))],
            ),
        ),
        (
            "/watermark=file:{H2},size:50,position:[top]/{H}",
            task("watermark", &[("file", text(H2)), ("size", text("50")), ("position", list(&["top"]))]),
        ),
        (
            "/rotate=deg:exif,exif:false,background:FF0000FF/{H}",
            task("rotate", &[("deg", text("exif")), ("exif", text("false")), ("background", text("FF0000FF"))]),
        ),
        ("/blur_faces=amount:30.0/{H}", task("blur_faces", &[("amount", text("30.0"))])),
        (
            "/video_convert=preset:h264,force:false,width:1080,height:720,title:Chapter%201,extname:mp4/{H}",
            task(
                "video_convert",
                &[
                    ("preset", text("h264")),
                    ("force", text("false")),
                    ("width", text("1080")),
                    ("height", text("720")),
                    ("title", text("Chapter 1")),
                    ("extname", text("mp4")),
                ],
            ),
        ),
        (
            "/smart_crop=mode:object,object:dog,fill_color:FFFFFFFF,width:512,height:512,coords:false/{H}",
            task(
                "smart_crop",
                &[
                    ("mode", text("object")),
                    ("object", text("dog")),
                    ("fill_color", text("FFFFFFFF")),
                    ("width", text("512")),
                    ("height", text("512")),
                    ("coords", text("false")),
                ],
            ),
        ),
        ("/resize=,width:667,height:1000/{H}", task("resize", &[("width", text("667")), ("height", text("1000"))])),
        (
            "/{KEY}/collage=files:%5B%22h1%22%2C%22h2%22%5D,width:10,height:10/{H}",
            task("collage", &[("files", list(&["h1", "h2"])), ("width", text("10")), ("height", text("10"))]),
        ),
        (
            "/collage=width:15,height:35,files:[\"{H}\",\"{H2}\"],margin:40,color:FF0000FF,fit:crop,autorotate:true/{H}",
            task(
                "collage",
                &[
                    ("width", text("15")),
                    ("height", text("35")),
                    ("files", list(&[H, H2])),
                    ("margin", text("40")),
                    ("color", text("FF0000FF")),
                    ("fit", text("crop")),
                    ("autorotate", text("true")),
                ],
            ),
        ),
        (
            "/video_convert=preset:h264,title:a%2Cb/{H}",
            task("video_convert", &[("preset", text("h264")), ("title", text("a,b"))]),
        ),
        ("/resize%3Dwidth%3A100%2Cheight%3A50/{H}", task("resize", &[("width", text("100")), ("height", text("50"))])),
    ] {
        let read = read(path);
        assert_eq!(read.tasks, [expected], "{path}");
        assert_eq!(read.source, handle(H), "{path}");
    }
}

#[test]
fn conformance_urls_with_several_tasks() {
    let path = read("/output=f:webp,t:true,q:80,c:true/cache=expiry:max/resize=w:340/{H}");
    assert_eq!(names(&path), ["output", "cache", "resize"]);
    assert_eq!(path.tasks[1].text(&["expiry", "e"]), Some("max"));
    assert_eq!(path.tasks[2].text(&["width", "w"]), Some("340"));

    let path = read("/preview=css:%22https%3A%2F%2Fexample.com%2Fa.css%22/security=policy:P,signature:S/{H}");
    assert_eq!(path.tasks, [task("preview", &[("css", text("https://example.com/a.css"))])]);
    assert_eq!((path.security, path.source), (security("P", "S"), handle(H)));

    let path = read("/{KEY}/security=policy:P,signature:S/resize=width:100/https://example.com/a.jpg");
    assert_eq!(path.key.as_deref(), Some(KEY));
    assert_eq!(path.source, url("https://example.com/a.jpg"));
}

#[test]
fn unquoted_slashes_belong_to_the_store_task() {
    let path = read(
        "/store=location:S3,region:us-east-1,container:c,path:my/custom/path/,filename:x.jpg,access:public,base64decode:true/{H}",
    );
    assert_eq!(
        path.tasks,
        [task(
            "store",
            &[
                ("location", text("S3")),
                ("region", text("us-east-1")),
                ("container", text("c")),
                ("path", text("my/custom/path/")),
                ("filename", text("x.jpg")),
                ("access", text("public")),
                ("base64decode", text("true")),
            ]
        )]
    );
    assert_eq!(path.source, handle(H));

    let path = read("/store=path:\"a/b/\",filename:x.jpg/resize=w:1/{H}");
    assert_eq!(names(&path), ["store", "resize"]);
    assert_eq!(path.tasks[0].text(&["path"]), Some("a/b/"));

    let path = read("/store=path:a/b/flip/{H}");
    assert_eq!(names(&path), ["store", "flip"]);
    assert_eq!(path.tasks[0].text(&["path"]), Some("a/b"));

    let path = read("/{KEY}/store=path:a/b/https://e.com/c/d.jpg");
    assert_eq!(path.tasks[0].text(&["path"]), Some("a/b"));
    assert_eq!(path.source, url("https://e.com/c/d.jpg"));
}

#[test]
fn debug_stands_before_or_behind_the_key() {
    let path = read("/debug/{KEY}/security=policy:P,signature:S/resize=width:1/https://e.com/x");
    assert!(path.debug);
    assert_eq!(path.key.as_deref(), Some(KEY));
    assert_eq!(path.source, url("https://e.com/x"));
    let path = read("/{KEY}/debug/resize=width:1/{H}");
    assert!(path.debug);
    assert_eq!((path.key.as_deref(), names(&path)), (Some(KEY), vec!["resize"]));
}

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
fn encoded_slashes_separate_tasks() {
    let path = read("/{KEY}/resize=width:10%2Fblur=amount:4/{H}");
    assert_eq!(names(&path), ["resize", "blur"]);
    assert_eq!(path.source, handle(H));
    let path = read("/resize%3Dwidth%3A10%2fstore/https:%2F%2Fe.com%2Fa%20b.png");
    assert_eq!(names(&path), ["resize", "store"]);
    assert_eq!(path.source, url("https://e.com/a b.png"));
    let path = read("/preview=css:https%3A%2F%2Fe.com%2Fa.css/{H}");
    assert_eq!(path.tasks[0].text(&["css"]), Some("https://e.com/a.css"));
    let path = read("/store=path:my%2Fdir%2F,filename:x/{H}");
    assert_eq!(path.tasks[0].text(&["path"]), Some("my/dir/"));
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
fn spellings_of_single_clients_are_understood() {
    assert_eq!(names(&read("/round_corners=radius:max/{H}")), ["rounded_corners"]);
    assert_eq!(names(&read("/RESIZE=WIDTH:1/{H}")), ["resize"]);
    let path = read("/resize=Width:1,minSize:2,/{H}");
    assert_eq!(path.tasks[0].text(&["w", "width"]), Some("1"));
    assert_eq!(path.tasks[0].text(&["minsize"]), Some("2"));
    let path = read("/watermark=position:[top],file:\"x\"/{H}");
    assert_eq!(path.tasks[0].text(&["position"]), Some("top"));
    assert_eq!(path.tasks[0].text(&["f", "file"]), Some("x"));
    assert_eq!(path.tasks[0].text(&["size"]), None);
}

#[test]
fn a_plus_is_a_space_only_in_form_encoded_values() {
    for (written, meant) in
        [("my+photo.jpg", "my+photo.jpg"), ("my+photo%21.jpg", "my photo!.jpg"), ("a+b%20c:d", "a+b c:d")]
    {
        let path = read(&format!("/content=filename:{written}/{H}"));
        assert_eq!(path.tasks[0].text(&["filename"]), Some(meant));
    }
}

#[test]
fn every_task_name_of_the_engine_is_known() {
    for name in ["resize", "Store", "security", "debug", "video_playlist", "round_corners", "imagesentiment"] {
        assert!(is_task_name(name), "{name}");
    }
    for name in ["", "resiz", "audio_convert", "virus_detection", "b64", "file", H, KEY] {
        assert!(!is_task_name(name), "{name}");
    }
}

#[test]
fn nonsense_is_refused_with_a_reason() {
    for (path, reason) in [
        ("", "names no file"),
        ("/", "names no file"),
        ("/debug", "names no file"),
        ("/{KEY}", "invalid source"),
        ("/{KEY}/", "invalid source"),
        ("/{KEY}/security=p:P,s:S/", "names no file"),
        ("/heigt=1/{H}", "invalid task `heigt`"),
        ("/{KEY}/{H}/x.jpg", "invalid source"),
        ("/{KEY}/ftp://e.com/a", "invalid source"),
        ("/{KEY}/https://", "invalid source"),
        ("/{KEY}/https%3A%2F%2Fe.com%2F%0d%0aX", "invalid source"),
        ("/{KEY}/src://", "invalid source"),
        ("/{KEY}/src://alias/../../etc/passwd", "invalid source"),
        ("/{KEY}/src://alias/%2e%2e/x", "invalid source"),
        ("/{KEY}/wf://a.b", "invalid source"),
        ("/{KEY}/[]", "list of sources is empty"),
        ("/{KEY}/[{H}", "invalid source"),
        ("/{KEY}/\"{H}\"x", "invalid source"),
        ("/b64/%21/{H}", "behind `b64`"),
        ("/b64/W10x/{H}", "behind `b64`"),
        ("/b64/W3sibmFtZSI6Im5vcGUifV0=/{H}", "invalid task `nope`"),
        ("/b64://YjY0Oi8vWVE9PQ==", "base64 source holds another"),
        ("/b64://!", "invalid source"),
        ("/resize=width:\"1/{H}", "does not close"),
        ("/crop=dim:[1,2/{H}", "does not close"),
    ] {
        let message = refusal(path);
        assert!(message.contains(reason), "{path}: {message}");
    }
}

#[test]
fn size_count_and_depth_are_capped() {
    assert!(refusal(&format!("/{}", "a".repeat(MAX_PATH_BYTES))).contains("bytes"));
    assert!(parse(&format!("/{H}"), Some(&"a".repeat(MAX_PATH_BYTES + 1))).is_err());
    let most = format!("/{}{H}", "flip/".repeat(MAX_TASKS));
    assert_eq!(read(&most).tasks.len(), MAX_TASKS);
    assert!(refusal(&format!("/flip{most}")).contains("at most 50 tasks"));
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&format!("/crop=dim:{}/{H}", nested(MAX_LIST_DEPTH)), None).is_ok());
    assert!(refusal(&format!("/crop=dim:{}/{H}", nested(MAX_LIST_DEPTH + 1))).contains("nest"));
    let sources = format!("/{}{H}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(refusal(&sources).contains("nest"));
}

#[test]
fn messages_show_little_of_the_path() {
    let message = refusal(&format!("/{KEY}/{}\u{1b}[2J", "é".repeat(500)));
    assert!(message.chars().count() < 200 && !message.contains(char::is_control));
}

/// Pieces that mean something to the grammar, in any order.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = [
        "/",
        "%2F",
        "=",
        "%3D",
        ":",
        "%3A",
        ",",
        "%2C",
        "\"",
        "%22",
        "[",
        "%5B",
        "]",
        "%5D",
        "+",
        "%2B",
        "&",
        "?",
        "%",
        "%zz",
        "é",
        "..",
        "resize",
        "store=path:a",
        "security=s:S,p:",
        "security=policy:",
        ",signature:",
        "b64",
        "b64://",
        "NWFZa0VRSlNRQ21ZU2hzb0NuWk4=",
        "https://",
        "https%3A",
        "src://",
        "wf://",
        "debug",
        "file",
        "metadata",
        "video_convert",
        "filestackcontent",
        "5c0f33cc9c464e16592b7a01f6f8f5c1",
        H,
        KEY,
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..16).prop_map(|pieces| pieces.concat())
}

/// No source that was read can lead out of its place.
fn is_sound(source: &Source) -> bool {
    match source {
        Source::Handle(_) | Source::None => true,
        Source::Url(url) => {
            (url.starts_with("http://") || url.starts_with("https://")) && !url.contains(char::is_control)
        }
        Source::Alias(alias) => !alias.split('/').any(|segment| segment == ".."),
        Source::Workflow(result) => result.starts_with("wf://") && !result.contains('.'),
        Source::List(members) => !members.is_empty() && members.iter().all(is_sound),
    }
}

proptest! {
    #[test]
    fn any_path_is_read_or_refused(path in prop_oneof![any::<String>(), hostile()], query in proptest::option::of(hostile())) {
        if let Ok(read) = parse(&path, query.as_deref()) {
            prop_assert!(is_sound(&read.source));
            prop_assert!(read.tasks.len() <= MAX_TASKS);
            prop_assert!(read.tasks.iter().all(|task| is_task_name(&task.name)));
        }
    }

    #[test]
    fn quoted_text_values_come_back(value in "[^\"]{0,40}") {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let encoded = utf8_percent_encode(&value, NON_ALPHANUMERIC);
        let path = read(&format!("/content=filename:\"{encoded}\",type:x/{H}"));
        prop_assert_eq!(path.tasks[0].text(&["filename"]), Some(value.as_str()));
    }
}
