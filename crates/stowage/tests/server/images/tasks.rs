//! Every image task once, with its result.

use std::time::Duration;

use serde_json::{Value, json};
use stowage_imaging::{Bitmap, Format, Metadata};

use super::{
    BLACK, BLUE, GREEN, RED, Shown, WHITE, encoding, exif, fetching, file_of, fixture, origin_of, quarters, still,
    stored,
};
use crate::{
    hostile::encoded,
    support::{HttpAnswer, Stowage, allowing, client, get, security_segment, send, server, text_of},
};

type Place = (f64, f64);

const TOP_LEFT: Place = (0.25, 0.25);
const TOP_RIGHT: Place = (0.75, 0.25);
const BOTTOM_LEFT: Place = (0.25, 0.75);

async fn shown(server: &Stowage, path: &str) -> Shown {
    Shown::of(&get(server, path).await.expect(200).body)
}

/// A picture of 40 × 20 through tasks whose size and colours can be told beforehand.
#[tokio::test]
async fn geometry_and_filters() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await;
    let purple = [128, 0, 128];
    for (tasks, size, place, colour) in [
        ("resize=w:20", (20, 10), TOP_LEFT, RED),
        ("resize=height:40", (80, 40), TOP_RIGHT, GREEN),
        ("resize=width:10,height:10", (10, 5), BOTTOM_LEFT, BLUE),
        ("resize=fit:crop,height:10,width:10", (10, 10), TOP_RIGHT, GREEN),
        ("resize=w:10,h:20,f:crop,a:right", (10, 20), TOP_LEFT, GREEN),
        ("resize=width:10,height:20,fit:crop,align:[bottom,left]", (10, 20), TOP_LEFT, RED),
        ("resize=width:30,height:30,fit:scale", (30, 30), BOTTOM_LEFT, BLUE),
        ("resize=width:100,fit:max", (40, 20), TOP_LEFT, RED),
        ("crop=dim:[20,0,20,10]", (20, 10), TOP_LEFT, GREEN),
        ("crop=d:[30,5,100,100]", (10, 15), (0.5, 0.9), WHITE),
        ("rotate=deg:90", (20, 40), TOP_LEFT, BLUE),
        ("rotate=d:270", (20, 40), TOP_LEFT, GREEN),
        ("rotate=deg:180", (40, 20), TOP_LEFT, WHITE),
        ("flip", (40, 20), TOP_LEFT, BLUE),
        ("flop", (40, 20), TOP_LEFT, GREEN),
        ("flip/flop/flip/flop", (40, 20), TOP_LEFT, RED),
        ("smart_crop=width:10,height:20", (10, 20), (0.5, 0.5), [u8::MAX; 3]),
        ("border=width:5", (50, 30), (0.02, 0.02), BLACK),
        ("border=w:5,c:red", (50, 30), (0.98, 0.98), RED),
        ("blur=amount:1", (40, 20), (0.1, 0.1), RED),
        ("sharpen=a:3", (40, 20), TOP_LEFT, RED),
        ("monochrome", (40, 20), BOTTOM_LEFT, [29; 3]),
        ("blackwhite=threshold:50", (40, 20), TOP_LEFT, BLACK),
        ("blackwhite=t:50", (40, 20), (0.75, 0.75), WHITE),
        ("pixelate=amount:20", (40, 20), TOP_LEFT, purple),
        ("oil_paint=amount:2", (40, 20), TOP_LEFT, RED),
        ("negative", (40, 20), TOP_LEFT, [0, 255, 255]),
        ("modulate=hue:120", (40, 20), TOP_LEFT, GREEN),
        ("modulate=b:0", (40, 20), (0.75, 0.75), BLACK),
        ("partial_pixelate=objects:[[0,0,20,20]],amount:20,blur:0", (40, 20), TOP_LEFT, purple),
        ("partial_pixelate=o:[[0,0,20,20]],a:20,l:0", (40, 20), TOP_RIGHT, GREEN),
        ("partial_blur=objects:[[20,0,20,20]],amount:3", (40, 20), TOP_LEFT, RED),
        ("upscale", (80, 40), BOTTOM_LEFT, BLUE),
        ("upscale=u:false,noise:low", (40, 20), BOTTOM_LEFT, BLUE),
        ("detect_faces", (40, 20), TOP_LEFT, RED),
        ("pixelate_faces", (40, 20), TOP_LEFT, RED),
        ("blur_faces=faces:all", (40, 20), TOP_LEFT, RED),
        ("redeye", (40, 20), BOTTOM_LEFT, BLUE),
        ("crop=dim:[0,0,20,20]/rotate=deg:90/resize=width:10/border=width:1", (12, 12), (0.25, 0.5), BLUE),
    ] {
        let answer = get(&server, &format!("/{tasks}/{handle}")).await.expect(200);
        assert_eq!(answer.header("content-type"), "image/png", "{tasks}");
        let picture = Shown::of(&answer.body);
        assert_eq!(picture.size(), size, "{tasks}");
        // The smart cut may be anywhere.
        if !tasks.starts_with("smart_crop") {
            picture.shows(place, colour, tasks);
        }
    }
    let sepia = shown(&server, &format!("/sepia/{handle}")).await.at((0.75, 0.75));
    assert!(sepia[0] >= sepia[1] && sepia[1] > sepia[2], "{sepia:?}");
    let turned = shown(&server, &format!("/rotate=deg:45,background:black/{handle}")).await;
    assert!((42..=46).contains(&turned.size().0) && (42..=46).contains(&turned.size().1), "{:?}", turned.size());
    turned.shows((0.02, 0.02), BLACK, "the corner of a turned picture");
    let blurred = shown(&server, &format!("/blur=amount:3/{handle}")).await.at((0.25, 0.5));
    assert!(blurred[0] > 60 && blurred[2] > 60, "the edge of red and blue is soft: {blurred:?}");
    let enhanced = shown(&server, &format!("/enhance/{handle}")).await;
    assert_eq!(enhanced.size(), (40, 20));
    let nobody = get(&server, &format!("/crop_faces=width:10/{handle}")).await;
    assert_eq!(nobody.expect(400).header("cache-control"), "no-store");
}

/// What lets the ground through: transparent where the format can, white or as asked where it cannot.
#[tokio::test]
async fn effects_with_transparency() {
    let server = server();
    let app = server.app("shop", &[]);
    let png = stored(&server, &app, "a.png", still(Format::Png, &quarters(60, 40))).await;
    let jpeg = stored(&server, &app, "a.jpg", still(Format::Jpeg, &quarters(60, 40))).await;
    for (tasks, size) in [
        ("rounded_corners=radius:max", Some((60, 40))),
        ("round_corners=r:15", Some((60, 40))),
        ("circle", Some((40, 40))),
        ("torn_edges=spread:[5,10]", None),
        ("shadow=vector:[8,8],blur:1", None),
        ("polaroid=rotate:30", None),
        ("vignette=amount:100", Some((60, 40))),
    ] {
        let picture = shown(&server, &format!("/{tasks}/{png}")).await;
        let (corner, middle) =
            (picture.at(if tasks.starts_with("shadow") { (0.99, 0.0) } else { (0.0, 0.0) }), picture.at((0.45, 0.45)));
        assert!(corner[3] < 128 && middle[3] > 200, "{tasks}: {corner:?} {middle:?}");
        if let Some(size) = size {
            assert_eq!(picture.size(), size, "{tasks}");
        }
        let separator = if tasks.contains('=') { "," } else { "=" };
        let on_ground = format!("/{tasks}{separator}background:blue/{jpeg}");
        let answer = get(&server, &on_ground).await.expect(200);
        assert_eq!(answer.header("content-type"), "image/jpeg", "{tasks}");
        if tasks.starts_with("circle") || tasks.starts_with("ro") {
            Shown::of(&answer.body).shows((0.01, 0.01), BLUE, tasks);
            shown(&server, &format!("/{tasks}/{jpeg}")).await.shows((0.01, 0.01), WHITE, tasks);
        }
    }
}

#[tokio::test]
async fn faces() {
    let server = server();
    let app = server.app("shop", &[]);
    let source = Shown::of(&fixture("face.tiff"));
    let (width, height) = source.size();
    let handle = stored(&server, &app, "face.png", still(Format::Png, &source.frames[0].bitmap)).await;
    let list = get(&server, &format!("/detect_faces=export:true/{handle}")).await.expect(200).json();
    let [face] = &list.as_array().expect("a list")[..] else { panic!("one face: {list}") };
    let side = |name: &str| face[name].as_f64().unwrap_or_else(|| panic!("no {name}: {face}"));
    let (x, y, across, down) = (side("x"), side("y"), side("width"), side("height"));
    assert!(x >= 0.0 && y >= 0.0 && x + across <= f64::from(width) && y + down <= f64::from(height), "{face}");
    let middle = ((x + across / 2.0) / f64::from(width), (y + down / 2.0) / f64::from(height));
    for tasks in ["pixelate_faces=amount:100", "blur_faces=type:oval", "detect_faces=color:red"] {
        let changed = shown(&server, &format!("/{tasks}/{handle}")).await;
        assert_eq!(changed.size(), (width, height));
        assert_eq!(changed.at((0.0, 0.99)), source.at((0.0, 0.99)), "{tasks} left the edge alone");
        assert!(changed.difference(0, &source.frames[0].bitmap) > 0.05, "{tasks} did something");
    }
    assert_eq!(shown(&server, &format!("/crop_faces=mode:fill,width:30,height:40/{handle}")).await.size(), (30, 40));
    assert_eq!(shown(&server, &format!("/crop_faces=width:30,buffer:50/{handle}")).await.size().0, 30);
    let coords =
        get(&server, &format!("/smart_crop=mode:face,width:40,height:40,coords:true/{handle}")).await.expect(200);
    let coords = coords.json()["coords"].clone();
    let told = |name: &str| coords[name].as_f64().unwrap_or_else(|| panic!("no {name}: {coords}"));
    let inside =
        |at: f64, side: u32, start: f64, length: f64| (start..start + length).contains(&(at * f64::from(side)));
    assert!(
        inside(middle.0, width, told("x"), told("width")) && inside(middle.1, height, told("y"), told("height")),
        "{coords}"
    );
    let nobody = stored(&server, &app, "b.png", still(Format::Png, &quarters(40, 20))).await;
    assert_eq!(get(&server, &format!("/detect_faces=e:true/{nobody}")).await.expect(200).text(), "[]");
}

#[tokio::test]
async fn several_pictures() {
    let origin = origin_of("image/png", still(Format::Png, &Bitmap::filled(10, 10, [0, 0, 0, 255]))).await;
    let server = fetching(&[]);
    let app = server.app("shop", &[]);
    let base = stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await;
    let mark = stored(&server, &app, "m.png", still(Format::Png, &Bitmap::filled(10, 10, [0, 0, 0, 255]))).await;
    let far = encoded(&origin.url("/m.png"));
    for file in [&mark, &format!("%22{far}%22")] {
        let marked =
            shown(&server, &format!("/{}/watermark=file:{file},size:50,position:[top,left]/{base}", app.key)).await;
        assert_eq!(marked.size(), (40, 20));
        marked.shows((0.05, 0.1), BLACK, "the mark");
        marked.shows((0.2, 0.3), RED, "beside the mark");
        marked.shows(TOP_RIGHT, GREEN, "far from the mark");
    }
    assert_eq!(origin.received().len(), 1);
    let collage =
        format!("/{}/collage=files:[{mark},%22{far}%22],width:90,height:60,margin:5,color:red/{base}", app.key);
    let collage = shown(&server, &collage).await;
    assert_eq!(collage.size(), (90, 60));
    collage.shows((0.01, 0.01), RED, "the margin");
    let animated = get(&server, &format!("/{}/animate=delay:150,loop:3/[{base},{mark}]", app.key)).await.expect(200);
    assert_eq!(animated.header("content-type"), "image/gif");
    let animated = Shown::of(&animated.body);
    assert_eq!((animated.frames.len(), animated.size()), (2, (40, 20)));
    assert!(animated.frames.iter().all(|frame| frame.delay == Duration::from_millis(150)));
    animated.shows_quarters("the first frame");
    let missing = get(&server, &format!("/watermark=file:AAAAAAAAAAAAAAAAAAAA/{base}")).await;
    assert_eq!(missing.expect(404).json()["code"], "file_not_found");
}

/// Tasks on the file rather than on its pixels (spec 11 §7).
#[tokio::test]
async fn weight_and_format() {
    let server = server();
    let app = server.app("shop", &[]);
    let metadata = Metadata { exif: Some(exif(1)), ..Metadata::default() };
    let noise = Bitmap {
        pixels: (0..60 * 60 * 3_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
        ..quarters(60, 60)
    };
    let jpeg = file_of(&encoding(Format::Jpeg), &metadata, &[(noise.clone(), Duration::ZERO)]);
    let png = file_of(&encoding(Format::Png), &metadata, &[(noise, Duration::ZERO)]);
    let (jpg, png_handle) =
        (stored(&server, &app, "a.jpg", jpeg.clone()).await, stored(&server, &app, "a.png", png.clone()).await);
    let body = async |tasks: &str, handle: &str| get(&server, &format!("/{tasks}/{handle}")).await.expect(200);
    let low = body("quality=value:20", &jpg).await;
    assert!(low.body.len() < jpeg.len() / 2 && Shown::of(&low.body).metadata.exif.is_some());
    assert_eq!(body("quality=v:100", &jpg).await.body, jpeg, "never larger than it was");
    assert_eq!(body("quality=value:10", &png_handle).await.body, png, "PNG has no quality");
    assert!(body("output=quality:30", &jpg).await.body.len() < jpeg.len());
    for tasks in ["compress", "no_metadata", "output=strip:true"] {
        for (handle, source) in [(&jpg, &jpeg), (&png_handle, &png)] {
            let lighter = body(tasks, handle).await;
            assert!(lighter.body.len() < source.len(), "{tasks}");
            let (lighter, source) = (Shown::of(&lighter.body), Shown::of(source));
            assert!(lighter.metadata.exif.is_none(), "{tasks}");
            assert_eq!(lighter.frames, source.frames, "{tasks} touches no pixel");
        }
    }
    assert!(Shown::of(&body("compress=metadata:true", &jpg).await.body).metadata.exif.is_some());
    let progressive = body("pjpg=quality:50", &png_handle).await;
    assert_eq!((progressive.header("content-type"), Shown::of(&progressive.body).format), ("image/jpeg", Format::Jpeg));
    assert!(progressive.body.windows(2).any(|marker| marker == [0xff, 0xc2]), "progressive");
    let chained = body("output=format:webp/resize=width:30/quality=value:40", &jpg).await;
    assert_eq!((chained.header("content-type"), chained.header("x-file-name")), ("image/webp", "a.webp"));
    assert_eq!(chained.header("content-disposition"), "inline; filename=\"a.webp\"");
    assert_eq!(chained.header("cache-control"), "public, max-age=2592000");
    assert_eq!(Shown::of(&chained.body).size(), (30, 30));
    let named = body("resize=width:30/content=filename:%22b.jpg%22", &jpg).await;
    assert_eq!(named.header("x-file-name"), "b.jpg");
    let download = get(&server, &format!("/resize=width:30/{jpg}?dl=true")).await.expect(200);
    assert!(download.header("content-disposition").starts_with("attachment"));
    let wrong = get(&server, &format!("/output=format:docx/{jpg}")).await;
    super::assert_refused(&wrong, "unsupported_conversion", "Unsupported conversion", "docx");
}

#[tokio::test]
async fn the_client_chooses_with_auto_image() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "a.jpg", still(Format::Jpeg, &quarters(40, 20))).await;
    let mut tags = Vec::new();
    for (accept, expected, name) in [
        (Some("image/avif,image/webp,*/*"), "image/avif", "a.avif"),
        (Some("text/html, image/webp;q=0.8"), "image/webp", "a.webp"),
        (Some("image/avif;q=0, image/png"), "image/jpeg", "a.jpg"),
        (None, "image/jpeg", "a.jpg"),
    ] {
        let mut request = client().get(format!("{}/auto_image/{handle}", server.url()));
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let answer = send(request).await.expect(200);
        assert_eq!((answer.header("content-type"), answer.header("x-file-name")), (expected, name), "{accept:?}");
        assert!(answer.headers.get_all("vary").iter().any(|value| value == "Accept"), "{accept:?}");
        Shown::of(&answer.body).shows_quarters(expected);
        tags.push(answer.header("etag").to_owned());
    }
    assert_eq!(tags[2], tags[3]);
    assert!(tags[0] != tags[1] && tags[1] != tags[2]);
}

/// Answers that are no pictures, and pictures of what is none.
#[tokio::test]
async fn text_and_json() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await;
    let size = get(&server, &format!("/crop=dim:[0,0,10,10]/resize=width:7/imagesize/{handle}")).await.expect(200);
    assert_eq!(size.text(), "{\"height\":7,\"width\":7}");
    assert_eq!(size.header("content-type"), "application/json");
    let ascii = get(&server, &format!("/ascii=background:black,foreground:white,size:50/{handle}")).await.expect(200);
    assert!(ascii.header("content-type").starts_with("text/html") && ascii.text().contains("<pre>"));
    assert!(ascii.header("content-disposition").starts_with("inline") && !ascii.text().contains("<script"));
    assert!(ascii.header("content-security-policy").contains("sandbox"));
    let debug = get(&server, &format!("/debug/resize=width:7/flip/{handle}")).await.expect(200).json();
    assert_eq!(debug["status"], json!({ "message": "OK", "http_code": 200 }));
    assert_eq!(debug["task_uri"], "resize=width:7/flip");
    // Each step has a report of its own.
    let step = |task: &str| {
        let mut step = debug.clone();
        (step["task_uri"], step["chain"]) = (json!(task), Value::Null);
        step
    };
    assert_eq!(debug["chain"], json!([step("resize=width:7"), step("flip")]));
    let failed =
        get(&server, &format!("/debug/crop=dim:[50,0,10,10]/flip/cache=e:60/{handle}")).await.expect(200).json();
    let status = json!({ "message": "invalid parameter `dim` for `crop` task", "http_code": 400 });
    assert_eq!((&failed["status"], &failed["chain"][1]["status"]), (&status, &status));
    assert_eq!(failed["chain"].as_array().map(Vec::len), Some(2));
    let after = get(&server, &format!("/ascii/flip/{handle}")).await;
    super::assert_refused(
        &after,
        "unsupported_conversion",
        "Unsupported conversion: `flip` cannot follow `ascii`",
        "ascii",
    );
    let qr = async |path: &str| get(&server, &format!("/{}/qr{path}", app.key)).await.expect(200);
    let short = stored(&server, &app, "a.txt", b"hello".to_vec()).await;
    let (of_text, of_url, of_picture) =
        (qr(&format!("/{short}")).await, qr("/https://nobody.invalid/a?b=1").await, qr(&format!("/{handle}")).await);
    for (answer, modules) in [(&of_text, 21), (&of_url, 25), (&of_picture, 29)] {
        assert_eq!(answer.header("content-type"), "image/png");
        let code = Shown::of(&answer.body);
        let side = code.size().0 / 8 - 8;
        assert!(side >= modules && code.size().0 == code.size().1, "{side} modules for at least {modules}");
        code.shows((0.0, 0.0), WHITE, "the margin");
    }
    assert_ne!(of_url.body, of_picture.body);
    assert_eq!(qr(&format!("=format:jpg/resize=width:50/{short}")).await.header("content-type"), "image/jpeg");
    let drawing = qr(&format!("=format:svg,error_correction:h/{short}")).await;
    assert!(drawing.header("content-disposition").starts_with("attachment") && drawing.text().contains("<svg"));
}

async fn process(server: &Stowage, command: &Value) -> HttpAnswer {
    send(client().post(format!("{}/process", server.url())).json(command)).await
}

/// `store` behind work, in a path and in a command.
#[tokio::test]
async fn results_are_stored() {
    let origin = origin_of("image/png", still(Format::Png, &quarters(160, 80))).await;
    let server = fetching(&[]);
    let app = server.app("shop", &[]);
    let secured = server.app("secured", &["--security"]);
    let url = origin.url("/a.png");
    let handle = stored(&server, &app, "a.png", still(Format::Png, &quarters(160, 80))).await;
    let check = async |stored: Value, filename: &str| {
        let facts = (&stored["filename"], &stored["type"], &stored["width"], &stored["height"]);
        assert_eq!(facts, (&json!(filename), &json!("image/jpeg"), &json!(40), &json!(20)), "{stored}");
        shown(&server, &format!("/{}", text_of(&stored, "handle"))).await.shows_quarters(filename);
    };
    let tasks = "resize=width:40/output=format:jpg";
    let path = format!("/{tasks}/store/{handle}");
    check(get(&server, &path).await.expect(200).json(), "a.jpg").await;
    let path = format!("/{}/store=filename:b.jpg/{tasks}/{url}", app.key);
    check(get(&server, &path).await.expect(200).json(), "b.jpg").await;
    let command = |tasks: Value| json!({ "apikey": app.key, "sources": [url], "tasks": tasks });
    let resize = json!({ "name": "resize", "params": { "width": 40 } });
    let output = json!({ "name": "output", "params": { "format": "jpg" } });
    let done =
        process(&server, &command(json!([resize, output, { "name": "store", "params": { "filename": "c.jpg" } }])))
            .await;
    check(done.expect(200).json(), "c.jpg").await;
    let with_headers = json!({
        "apikey": app.key, "sources": [{ "source": origin.url("/d.png"), "headers": { "X-Token": "7" } }],
        "tasks": [resize, { "name": "store" }, output],
    });
    check(process(&server, &with_headers).await.expect(200).json(), "d.jpg").await;
    let asked = origin.received();
    assert_eq!(asked.last().and_then(|asked| asked.header("x-token").map(str::to_owned)).as_deref(), Some("7"));
    for (sentence, tasks) in [
        ("invalid parameter `tasks`", json!([resize])),
        ("Unsupported conversion: the task `metadata`", json!([{ "name": "metadata" }, { "name": "store" }])),
    ] {
        let refused = process(&server, &command(tasks)).await.expect(400);
        assert!(text_of(&refused.json(), "error").starts_with(sentence), "{}", refused.text());
    }
    // Both calls have to be in the policy.
    for (calls, status) in [(&["store"][..], 403), (&["convert"], 403), (&["store", "convert"], 200)] {
        let segment = security_segment(&secured, &allowing(calls));
        let path = format!("/{}/{segment}/{tasks}/store/{url}", secured.key);
        get(&server, &path).await.expect(status);
        let policy = segment.trim_start_matches("security=policy:").split_once(",signature:").expect("both");
        let security = json!({ "name": "security", "params": { "policy": policy.0, "signature": policy.1 } });
        let command =
            json!({ "apikey": secured.key, "sources": [url], "tasks": [security, resize, { "name": "store" }] });
        process(&server, &command).await.expect(status);
    }
}
