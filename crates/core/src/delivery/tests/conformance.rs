//! The conformance URLs of spec 10 §11 and the spellings of 10 §2.2.

use super::*;

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
