//! `minify_css` and `minify_js` (spec 12 §§9, 10).

use std::io::Read;

use flate2::read::GzDecoder;
use stowage_testkit::{Origin, Reply};

use crate::support::{App, Stowage, get, png, server, server_with, store, text_of};

const SHEET: &str = "/* note */\na { color: #ff0000; }\nb { color: red }\n";
const SCRIPT: &str = "function outer(longName) {\n  console.log(longName);\n  return longName + 1;\n}\n";

async fn stored(server: &Stowage, app: &App, filename: &str, content: impl Into<reqwest::Body>) -> String {
    text_of(&store(server, app, &format!("filename={filename}"), content).await, "handle").to_owned()
}

#[tokio::test]
async fn style_sheets_and_scripts_become_small() {
    let server = server();
    let app = server.app("shop", &[]);
    let (sheet, script) = (stored(&server, &app, "a.css", SHEET).await, stored(&server, &app, "a.js", SCRIPT).await);
    let sheet = |task: &str| format!("/{task}/{sheet}");
    let script = |task: &str| format!("/{task}/{script}");
    for (path, media_type, expected) in [
        (sheet("minify_css"), "text/css", "a{color:red}b{color:red}"),
        (sheet("minify_css=level:2"), "text/css", "a,b{color:red}"),
        (script("minify_js"), "application/javascript", "function outer(e){return console.log(e),e+1}"),
        (script("minify_js=remove_console:true"), "application/javascript", "function outer(e){return e+1}"),
        (
            script("minify_js=mangle:false"),
            "application/javascript",
            "function outer(longName){return console.log(longName),longName+1}",
        ),
    ] {
        let answer = get(&server, &path).await.expect(200);
        assert!(answer.header("content-type").starts_with(media_type), "{answer:?}");
        assert_eq!(answer.text().trim_end_matches([';', '\n']), expected, "{path}");
        assert!(!answer.headers.contains_key("content-encoding"), "{answer:?}");
    }
    let packed = get(&server, &sheet("minify_css=gzip:true")).await.expect(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut text = String::new();
    GzDecoder::new(packed.body.as_slice()).read_to_string(&mut text).expect("it is gzip");
    assert_eq!(text, "a{color:red}b{color:red}");

    // What is stored is the text itself: nothing would tell its readers that it is compressed.
    let answer = get(&server, &format!("/{}{}", app.key, sheet("minify_css=gzip:true/store"))).await.expect(200);
    let new = answer.json();
    assert_eq!((text_of(&new, "filename"), text_of(&new, "type")), ("a.css", "text/css"));
    let copy = get(&server, &format!("/{}", text_of(&new, "handle"))).await.expect(200);
    assert_eq!(copy.text(), "a{color:red}b{color:red}");
}

#[tokio::test]
async fn what_is_no_such_text_is_refused() {
    let server = server();
    let app = server.app("shop", &[]);
    let picture = stored(&server, &app, "a.png", png()).await;
    let disguised = stored(&server, &app, "b.css", png()).await;
    let sheet = stored(&server, &app, "c.css", "a { color: red }\nb { color; }").await;
    let script = stored(&server, &app, "d.js", "let a = 1;\nlet b = ;").await;
    for (path, code, named) in [
        (format!("/minify_css/{picture}"), "unsupported_conversion", "text/css"),
        (format!("/minify_js/{sheet}"), "unsupported_conversion", "javascript"),
        (format!("/minify_css/{script}"), "unsupported_conversion", "text/css"),
        (format!("/minify_css/{sheet}"), "unsupported_conversion", "line 2, column 10"),
        (format!("/minify_js/{script}"), "unsupported_conversion", "line 2, column 9"),
        (format!("/minify_js=use_babel_polyfill:true/{script}"), "unsupported_conversion", "use_babel_polyfill"),
        (format!("/minify_js/minify_js/{script}"), "unsupported_conversion", "together"),
        (format!("/minify_css=level:3/{sheet}"), "invalid_parameter", "level"),
        (format!("/minify_js=targets:nothing%20here/{script}"), "invalid_parameter", "targets"),
    ] {
        let error = get(&server, &path).await.expect(400).json();
        assert_eq!(error["code"], code, "{path}: {error}");
        assert!(text_of(&error, "error").contains(named), "{path}: {error}");
    }
    let error = get(&server, &format!("/minify_css/{disguised}")).await.expect(400).json();
    assert!(["unsupported_input", "unsupported_conversion"].contains(&text_of(&error, "code")), "{error}");
    // A nest that no stack holds costs its worker, and nobody else.
    let nest = stored(&server, &app, "deep.js", "[".repeat(1 << 20)).await;
    get(&server, &format!("/minify_js/{nest}")).await.expect(400);
    let right = stored(&server, &app, "e.js", SCRIPT).await;
    get(&server, &format!("/minify_js/{right}")).await.expect(200);
}

#[tokio::test]
async fn texts_elsewhere_are_known_by_their_names() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/css", SHEET.as_bytes())).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let answer = get(&server, &format!("/{}/minify_css/{}", app.key, origin.url("/theme.css"))).await.expect(200);
    assert_eq!(answer.text(), "a{color:red}b{color:red}");
    assert!(answer.header("content-disposition").contains("theme.css"), "{answer:?}");
}
