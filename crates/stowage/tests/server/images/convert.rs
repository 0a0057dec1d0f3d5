//! `/api/file/{handle}/convert` (spec 11 §11, 02 §7).

use super::Shown;
use crate::support::{
    App, HttpAnswer, Stowage, allowing, client, get, png, post, send, server, signed, store, text_of,
};

/// A BMP whose left half is red and whose right half is blue.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let row = (width * 3).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    for number in [54 + row * height, 0, 54, 40, width, height] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    for _ in 0..height {
        let pixels = (0..width).flat_map(|column| if column < width / 2 { [0, 0, 255] } else { [255, 0, 0] });
        bytes.extend(pixels.chain(std::iter::repeat(0)).take(row as usize));
    }
    bytes
}

/// Width and height of a PNG.
fn size(png: &[u8]) -> (u32, u32) {
    assert_eq!(&png[1..4], b"PNG");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}

async fn stored(server: &Stowage, app: &App, query: &str, content: Vec<u8>) -> String {
    text_of(&store(server, app, query, content).await, "handle").to_owned()
}

#[tokio::test]
async fn parameters_are_worked_off_in_one_order() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "filename=a.bmp", picture(40, 20)).await;
    let mark = stored(&server, &app, "filename=m.png", png()).await;
    let convert = |query: &str| format!("/api/file/{handle}/convert?format=png&{query}");
    for (query, expected) in [
        ("", (40, 20)),
        ("w=20", (20, 10)),
        ("width=20&height=20&fit=crop&align=left", (20, 20)),
        ("crop=0,0,10,10&w=20", (10, 10)),
        ("crop=0,0,10,10&w=20&crop_first=true", (20, 20)),
        ("rotate=90&w=20", (10, 20)),
        ("w=20&quality=50&compress=true&exif=false", (20, 10)),
    ] {
        let answer = get(&server, &convert(query)).await.expect(200);
        assert_eq!(answer.header("content-type"), "image/png");
        assert!(answer.header("content-disposition").contains("a.png"), "{answer:?}");
        assert_eq!(size(&answer.body), expected, "{query}");
    }
    let plain = get(&server, &convert("")).await.expect(200).body;
    let by_url = format!("watermark={}/{mark}", server.url());
    for query in [
        "filter=blur&blurAmount=5",
        "filter=sharpen",
        &by_url,
        &format!("watermark={mark}&watermark_size=200&watermark_position=top,left"),
    ] {
        let answer = get(&server, &convert(query)).await.expect(200);
        assert_eq!(size(&answer.body), (40, 20), "{query}");
        assert_eq!(answer.body == plain, query == "filter=sharpen", "{query}");
    }
    let download = get(&server, &convert("dl=true&cache=true")).await.expect(200);
    assert!(download.header("content-disposition").starts_with("attachment"), "{download:?}");
    assert!(download.header("cache-control").contains("max-age=2592000"), "{download:?}");
    // Nothing to do is nothing done.
    let same = get(&server, &format!("/api/file/{handle}/convert")).await.expect(200);
    assert_eq!(same.body, picture(40, 20));
    let head = client().head(format!("{}{}", server.url(), convert("w=20")));
    assert!(send(head).await.expect(200).body.is_empty());
}

#[tokio::test]
async fn a_post_stores_what_it_converts() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "filename=a.bmp", picture(40, 20)).await;
    let query = format!("/api/file/{handle}/convert?w=20&format=png&key={}&storePath=small/", app.key);
    let in_form = format!("w=20&format=png&key={}&storePath=small%2F", app.key);
    for answer in [
        post(&server, &query, "").await.expect(200),
        post(&server, &format!("/api/file/{handle}/convert"), in_form).await.expect(200),
    ] {
        let new = answer.json();
        assert_eq!((text_of(&new, "filename"), text_of(&new, "type")), ("a.png", "image/png"));
        assert!(text_of(&new, "key").starts_with("small/"), "{new}");
        let copy = get(&server, &format!("/{}", text_of(&new, "handle"))).await.expect(200);
        assert_eq!(size(&copy.body), (20, 10));
        assert_eq!(new["size"], copy.body.len());
    }
    post(&server, &format!("/api/file/{handle}/convert?w=20"), "").await.expect(400);
    post(&server, &format!("/api/file/{handle}/convert?w=20&key=AAAAAAAAAAAAAAAAAAAAAz"), "").await.expect(401);
}

/// The first and last column and row of a picture that have a colour.
fn coloured(shown: &Shown, is_it: impl Fn([u8; 3]) -> bool) -> Option<[usize; 4]> {
    let bitmap = shown.frames[0].bitmap.clone().into_rgba();
    let width = bitmap.width as usize;
    let found = bitmap.pixels.as_chunks::<4>().0.iter().enumerate();
    let places = found.filter(|(_, [red, green, blue, _])| is_it([*red, *green, *blue]));
    places.map(|(place, _)| (place % width, place / width)).fold(None, |bounds, (x, y)| {
        let [left, right, top, bottom] = bounds.unwrap_or([x, x, y, y]);
        Some([left.min(x), right.max(x), top.min(y), bottom.max(y)])
    })
}

#[tokio::test]
async fn captions_are_drawn() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "filename=a.bmp", picture(400, 200)).await;
    let place = |file: &HttpAnswer| {
        let green = |[red, green, blue]: [u8; 3]| green > 200 && red < 100 && blue < 100;
        coloured(&Shown::of(&file.body), green)
    };
    let convert = async |query: &str| {
        let path = format!("/api/file/{handle}/convert?format=png&text_color=lime&{query}");
        place(&get(&server, &path).await.expect(200))
    };
    // By default a line of 20 pixels in the middle of the lower edge, 10 pixels away from it.
    let [left, right, top, bottom] = convert("text=caption").await.expect("a caption");
    assert!((150..200).contains(&left) && (200..250).contains(&right), "{left} to {right}");
    assert!((170..180).contains(&top) && (180..190).contains(&bottom), "{top} to {bottom}");
    // Everything that a client of that time may send.
    let all = "text=cool&text_font=impact&text_size=40&text_align=[top,right]&text_padding=30";
    let [left, right, top, bottom] = convert(all).await.expect("a caption");
    assert!(
        left > 250 && (360..=370).contains(&right) && (30..50).contains(&top) && bottom < 70,
        "{left} {right} {top} {bottom}"
    );
    // It is as large in the result as it says, and cut with nothing.
    let [left, right, ..] = convert("text=caption&w=200&crop=0,0,100,100").await.expect("a caption");
    assert!(left < 50 && right < 100, "{left} to {right}");
    let [_, _, top, bottom] = convert("text=one%0Atwo+words+%F0%9F%90%88%20%E6%97%A5%22").await.expect("a caption");
    assert!((135..160).contains(&top) && bottom < 190, "{top} to {bottom}");
    let long = format!("text={}", "words+and+".repeat(50));
    let [left, right, top, _] = convert(&long).await.expect("a caption");
    assert!(left >= 9 && right <= 391 && top < 60, "{left} {right} {top}");
    // Without a text the rest says nothing.
    assert_eq!(convert("text=&text_size=40").await, None);

    // In a form it is the same; the new file has it.
    let form = format!("text=cool&text_color=lime&format=png&key={}", app.key);
    let new = post(&server, &format!("/api/file/{handle}/convert"), form).await.expect(200).json();
    let copy = get(&server, &format!("/{}", text_of(&new, "handle"))).await.expect(200);
    assert_eq!(place(&copy), convert("text=cool").await);
    // And so is it as a task, which clients of today can write.
    let task = get(&server, &format!("/text=text:cool,color:lime/output=format:png/{handle}")).await.expect(200);
    assert_eq!(place(&task), convert("text=cool").await);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_plain_text() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "filename=a.bmp", picture(4, 2)).await;
    let text = stored(&server, &app, "filename=a.txt", b"text".to_vec()).await;
    for (path, status, code, said) in [
        (format!("{handle}/convert?w=-5"), 400, "invalid_parameter", "Invalid conversion params"),
        (format!("{handle}/convert?fit=none&w=5"), 400, "invalid_parameter", "Invalid conversion params"),
        (format!("{handle}/convert?crop=1,2"), 400, "invalid_parameter", "Invalid conversion params"),
        (format!("{handle}/convert?filter=oil"), 400, "invalid_parameter", "Invalid conversion params"),
        (format!("{handle}/convert?text=a&text_size=0"), 400, "invalid_parameter", "`size` for `text`"),
        (format!("{handle}/convert?text=a&text_size=20px"), 400, "invalid_parameter", "`size` for `text`"),
        (format!("{handle}/convert?text=a&text_color=128,100,54"), 400, "invalid_parameter", "`color` for `text`"),
        (format!("{handle}/convert?text=a&text_align=left,top"), 400, "invalid_parameter", "`align` for `text`"),
        (format!("{handle}/convert?text=a&text_padding=1001"), 400, "invalid_parameter", "`padding` for `text`"),
        (format!("{handle}/convert?text={}", "a".repeat(501)), 400, "invalid_parameter", "`text` for `text`"),
        (format!("{text}/convert?w=5"), 400, "unsupported_input", "Unsupported"),
        ("AAAAAAAAAAAAAAAAAAAA/convert?w=5".to_owned(), 404, "file_not_found", "File not found"),
        (format!("{handle}/convert?w=5&watermark=AAAAAAAAAAAAAAAAAAAA"), 404, "file_not_found", "File not found"),
    ] {
        let answer = get(&server, &format!("/api/file/{path}")).await.expect(status);
        assert!(answer.header("content-type").starts_with("text/plain"), "{answer:?}");
        assert_eq!(answer.header("x-stowage-error"), code, "{path}");
        assert!(answer.text().contains(said), "{path}: {}", answer.text());
    }
}

/// What a policy must say is checked for all routes at once (`security/matrix.rs`); here is what only this one has.
#[tokio::test]
async fn conversions_need_their_calls_and_strict_apps_a_signature() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let store_query = signed(&app, &allowing(&["store"]));
    let handle = stored(&server, &app, &format!("filename=a.bmp&{store_query}"), picture(4, 2)).await;
    let convert = format!("/api/file/{handle}/convert?w=2&key={}", app.key);
    for (calls, get_status, post_status) in
        [(&["convert"][..], 200, 403), (&["convert", "store"], 200, 200), (&["store", "read"], 403, 403)]
    {
        let query = signed(&app, &allowing(calls));
        get(&server, &format!("{convert}&{query}")).await.expect(get_status);
        post(&server, &format!("{convert}&{query}"), "").await.expect(post_status);
    }
    let strict = server.app("strict", &["--strict-images", "true"]);
    let handle = stored(&server, &strict, "filename=a.bmp", picture(4, 2)).await;
    let convert = format!("/api/file/{handle}/convert?w=2");
    assert_eq!(get(&server, &convert).await.expect(403).header("x-stowage-error"), "preset_required");
    get(&server, &format!("{convert}&{}", signed(&strict, &allowing(&["convert"])))).await.expect(200);
}
