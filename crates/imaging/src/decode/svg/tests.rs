use proptest::prelude::*;

use super::*;
use crate::decode::pattern;

fn svg(attributes: &str, content: &str) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>{content}</svg>"#
    )
}

fn drawn(text: &str, wish: &Wish) -> Result<Bitmap, ImageError> {
    Ok(pattern::frames(open, text.as_bytes(), wish)?.remove(0).bitmap)
}

fn pixel(bitmap: &Bitmap, x: u32, y: u32) -> [u8; 4] {
    let at = (y * bitmap.width + x) as usize * 4;
    std::array::from_fn(|channel| bitmap.pixels[at + channel])
}

const HALVES: &str =
    r##"<rect width="10" height="20" fill="#f00"/><rect x="10" width="10" height="20" fill="#00f" opacity=".5"/>"##;

#[test]
fn pixels_density_and_wished_size() {
    let text = svg(r#"width="40" height="20""#, HALVES);
    let plain = drawn(&text, &Wish::default()).expect("a picture");
    assert_eq!((plain.width, plain.height), (40, 20));
    assert_eq!(
        [pixel(&plain, 2, 5), pixel(&plain, 15, 5), pixel(&plain, 30, 5)],
        [[255, 0, 0, 255], [0, 0, 255, 128], [0; 4]]
    );
    let dense = drawn(&text, &Wish { density: Some(192.0), ..Wish::default() }).expect("a picture");
    assert_eq!((dense.width, dense.height, pixel(&dense, 19, 39)), (80, 40, [255, 0, 0, 255]));
    let sized =
        |wanted, region| drawn(&text, &Wish { scaled_to: Some(wanted), region, ..Wish::default() }).expect("a picture");
    let small = sized((10, 10), None);
    assert_eq!((small.width, small.height), (20, 10), "covers what is wished for");
    let large = sized((400, 1), None);
    assert_eq!((large.width, large.height, pixel(&large, 99, 150)), (400, 200, [255, 0, 0, 255]));
    let part = sized((100, 100), Some(Region { x: 0.0, y: 0.0, width: 20.0, height: 20.0 }));
    assert_eq!((part.width, part.height), (200, 100));
    let header = header(text.as_bytes(), &Wish { scaled_to: Some((400, 1)), ..Wish::default() }, &Limits::default())
        .expect("a header");
    assert_eq!((header.width, header.height, header.alpha), (40, 20, true));
}

#[test]
fn text_has_a_font() {
    for family in ["Nowhere Sans", "serif", "monospace"] {
        let text = svg(
            r#"width="60" height="20""#,
            &format!(r#"<text x="2" y="16" font-family="{family}" font-size="16">Hxg</text>"#),
        );
        let inked = drawn(&text, &Wish::default())
            .expect("a picture")
            .pixels
            .chunks_exact(4)
            .filter(|pixel| pixel[3] > 128)
            .count();
        assert!(inked > 60, "{family}: {inked}");
    }
}

#[test]
fn nothing_outside_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret.png");
    let mut encoder = png::Encoder::new(std::fs::File::create(&path).expect("a file"), 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().expect("a PNG").write_image_data(&[255, 0, 0]).expect("a PNG");
    let path = path.display();
    for href in [format!("{path}"), format!("file://{path}"), "http://127.0.0.1:9/x.png".to_owned()] {
        let image = format!(r#"<image width="20" height="20" xlink:href="{href}"/>"#);
        let filter = format!(
            r#"<filter id="f"><feImage xlink:href="{href}"/></filter><rect width="20" height="20" fill="none" filter="url(#f)"/>"#
        );
        let used = format!(r##"<use xlink:href="{href}#x"/>"##);
        let included = format!(r#"<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{href}"/>"#);
        let styled =
            format!(r#"<style>@import url("{href}"); @font-face {{ font-family: x; src: url("{href}") }}</style>"#);
        for content in [image, filter, used, included, styled] {
            let bitmap =
                drawn(&svg(r#"width="20" height="20""#, &content), &Wish::default()).expect("an empty picture");
            assert!(bitmap.pixels.iter().all(|level| *level == 0), "{content}");
        }
    }
    let entity = format!(
        r#"<!DOCTYPE svg [<!ENTITY x SYSTEM "file://{path}">]>{}"#,
        svg(r#"width="20" height="20""#, "<text>&x;</text>")
    );
    assert!(drawn(&entity, &Wish::default()).map_or(true, |bitmap| bitmap.pixels.iter().all(|level| *level == 0)));
}

#[test]
fn entities_of_drawing_programs_are_read() {
    let text = format!(
        r##"<!DOCTYPE svg [<!ENTITY red "#f00">]>{}"##,
        svg(r#"width="4" height="4""#, r#"<rect width="4" height="4" fill="&red;"/>"#)
    );
    assert_eq!(pixel(&drawn(&text, &Wish::default()).expect("a picture"), 1, 1), [255, 0, 0, 255]);
}

#[test]
fn bombs() {
    let size = r#"width="20" height="20""#;
    let refused = |text: &str| {
        let started = std::time::Instant::now();
        let result = drawn(text, &Wish::default());
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
        result.expect_err("a refusal")
    };
    assert!(matches!(refused(&svg(r#"width="100000" height="100000""#, HALVES)), ImageError::TooLarge(_)));
    assert!(matches!(refused(&svg(r#"width="1e30" height="1e30""#, HALVES)), ImageError::TooLarge(_)));
    for depth in [300, 100_000] {
        assert!(matches!(refused(&svg(size, &"<g>".repeat(depth))), ImageError::TooLarge(_)));
        assert!(matches!(
            refused(&svg(size, &format!("{}{}", "<g a='>'>".repeat(depth), "</g>".repeat(depth)))),
            ImageError::TooLarge(_)
        ));
    }
    // Ten references each to the next of ten groups are ten milliards of elements.
    let group = |level: u32| {
        format!(r#"<g id="g{level}">{}</g>"#, format!(r##"<use xlink:href="#g{}"/>"##, level + 1).repeat(10))
    };
    let groups: String = (0..10).map(group).collect();
    assert!(matches!(
        refused(&svg(size, &format!(r#"{groups}<rect id="g10" width="1" height="1"/>"#))),
        ImageError::TooLarge(_)
    ));
    let patterns: String = (0..10)
        .map(|level| {
            let rects = format!(r##"<rect width="9" height="9" style="fill:url(#p{})"/>"##, level + 1).repeat(10);
            format!(r#"<pattern id="p{level}" width="10" height="10" patternUnits="userSpaceOnUse">{rects}</pattern>"#)
        })
        .collect();
    assert!(matches!(
        refused(&svg(size, &format!(r#"{patterns}<rect width="9" height="9" fill="url(#p0)"/>"#))),
        ImageError::TooLarge(_)
    ));
    assert!(
        refused(&svg(size, r##"<g id="a"><use xlink:href="#a"/></g>"##)) != ImageError::UnsupportedInput,
        "a reference to itself"
    );
    let laughs: String =
        (1..10).map(|level| format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10))).collect();
    let laughs = format!("<!DOCTYPE svg [<!ENTITY l0 \"ha\">{laughs}]>{}", svg(size, "<text>&l9;</text>"));
    assert!(matches!(refused(&laughs), ImageError::Broken(_)));
    let layers =
        format!("{}{}{}", r#"<g opacity=".5"><rect width="9" height="9"/>"#.repeat(100), HALVES, "</g>".repeat(100));
    assert!(matches!(refused(&svg(r#"width="9000" height="9000""#, &layers)), ImageError::TooLarge(_)));
    assert!(drawn(&svg(size, &layers), &Wish::default()).is_ok(), "the same in small");
    assert!(matches!(refused("<svg"), ImageError::Broken(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn hostile_bytes_never_panic(at: usize, value: u8) {
        let content = r##"<defs><linearGradient id="a"><stop stop-color="#f00"/></linearGradient><mask id="m"><rect width="9" height="9" fill="#fff"/></mask></defs><g mask="url(#m)" opacity=".5"><path d="M1 1L9 9Z" stroke="url(#a)"/><text y="9">x</text></g>"##;
        pattern::survives(open, svg(r#"width="20" height="20" viewBox="0 0 10 10""#, content).as_bytes(), at, value);
    }
}
