//! Tasks in a path and in `POST /process`: what is checked, and what needs no picture to be computed (spec 10 §§6, 7).

use serde_json::{Value, json};

use crate::{
    hostile::{encoded, files_stored},
    support::{
        App, HttpAnswer, Stowage, allowing, client, get, png, security_segment, send, server, signed, store, text_of,
    },
};

async fn stored_text(server: &Stowage, app: &App, name: &str, content: &'static str) -> String {
    let query = format!("filename={name}&mimetype=text/plain&{}", signed(app, &allowing(&["store"])));
    text_of(&store(server, app, &query, content).await, "handle").to_owned()
}

fn assert_refused(answer: &HttpAnswer, code: &str, sentence: &str) {
    assert_eq!(answer.status, 400, "{sentence}: {}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store", "{sentence}");
    let error = answer.json();
    assert_eq!((&error["code"], &error["error"]), (&json!(code), &json!(sentence)));
}

#[tokio::test]
async fn parameters_are_checked_before_anything_is_done() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored_text(&server, &app, "a.txt", "hello").await;
    for (tasks, sentence) in [
        ("resize=heigt:10", "invalid parameter `heigt` for `resize` task"),
        ("resize=width:10001", "invalid parameter `width` for `resize` task"),
        ("store/border=color:reddish", "invalid parameter `color` for `border` task"),
        ("store=base64decode:perhaps", "invalid parameter `base64decode` for `store` task"),
        ("cache=expiry:0", "invalid parameter `expiry` for `cache` task"),
        ("cache=forever", "invalid parameter `forever` for `cache` task"),
        ("content=name:x", "invalid parameter `name` for `content` task"),
        ("imagesize=x:1", "invalid parameter `x` for `imagesize` task"),
        ("crop", "missing parameter `dim` for `crop` task"),
        ("resize=fit:crop", "missing parameter `width` or `height` for `resize` task"),
    ] {
        assert_refused(&get(&server, &format!("/{tasks}/{handle}")).await, "invalid_parameter", sentence);
    }
    let process = async |tasks: Value| {
        // Nothing listens there: what is refused was not fetched.
        let command = json!({ "apikey": app.key, "sources": ["http://127.0.0.1:9/a"], "tasks": tasks });
        send(client().post(format!("{}/process", server.url())).body(command.to_string())).await
    };
    for (tasks, code, sentence) in [
        (
            json!([{ "name": "store" }, { "name": "resize", "params": { "heigt": 1 } }]),
            "invalid_parameter",
            "invalid parameter `heigt` for `resize` task",
        ),
        (
            json!([{ "name": "collage", "params": { "files": ["a"], "width": 1 } }]),
            "invalid_parameter",
            "missing parameter `height` for `collage` task",
        ),
        (json!([{ "name": "reszie" }]), "invalid_parameter", "invalid parameter `tasks`: invalid task `reszie`"),
        (
            json!(["store"]),
            "invalid_parameter",
            "invalid parameter `tasks`: a task of a list is {\"name\": text, \"params\": object}",
        ),
        (
            json!(vec![json!({ "name": "flip" }); 51]),
            "invalid_parameter",
            "invalid parameter `tasks`: it must be a list of at most 50 {name, params}",
        ),
    ] {
        assert_refused(&process(tasks).await, code, sentence);
    }
    assert_eq!(files_stored(&server).await, 1);
}

#[tokio::test]
async fn imagesize_tells_the_size_of_a_picture() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let query = format!("filename=a.png&{}", signed(&app, &allowing(&["store"])));
    let picture = text_of(&store(&server, &app, &query, png()).await, "handle").to_owned();
    let text = stored_text(&server, &app, "a.txt", "hello").await;
    let security = security_segment(&app, &allowing(&["convert"]));
    for path in [format!("/imagesize/{security}/{picture}"), format!("/{security}/cache=expiry:60/imagesize/{picture}")]
    {
        let answer = get(&server, &path).await.expect(200);
        assert_eq!(answer.text(), "{\"height\":2,\"width\":3}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let refused = get(&server, &format!("/{security}/imagesize/{text}")).await;
    assert_refused(&refused, "unsupported_input", "Unsupported input format");
    let both = security_segment(&app, &allowing(&["convert", "stat"]));
    let answer = get(&server, &format!("/{both}/imagesize/metadata/{picture}")).await;
    let sentence = "Unsupported conversion: the task `metadata` is not available in this version";
    assert_refused(&answer, "unsupported_conversion", sentence);
    get(&server, &format!("/imagesize/{picture}")).await.expect(403);
    let read_only = security_segment(&app, &allowing(&["read"]));
    get(&server, &format!("/{read_only}/imagesize/{picture}")).await.expect(403);
}

#[tokio::test]
async fn a_fallback_is_sent_instead_of_a_failure() {
    let server = server();
    let app = server.app("shop", &[]);
    let (handle, spare) =
        (stored_text(&server, &app, "a.txt", "hello").await, stored_text(&server, &app, "b.txt", "spare").await);
    let missing = "AAAAAAAAAAAAAAAAAAAA";
    for (path, expected, cache) in [
        (format!("/fallback=handle:{spare}/{handle}"), "hello", "public, max-age=2592000"),
        (format!("/fallback=handle:{spare}/{missing}"), "spare", "no-cache"),
        (format!("/fallback=file:{spare},cache:60/{missing}"), "spare", "public, max-age=60"),
        (format!("/resize=width:10/fallback=handle:{spare}/cache=expiry:max/{handle}"), "spare", "no-cache"),
        (format!("/imagesize/fallback=handle:{spare}/{handle}"), "spare", "no-cache"),
        (format!("/crop/fallback=handle:{spare}/{handle}"), "spare", "no-cache"),
        (format!("/{}/fallback=handle:{spare}/https://nobody.invalid/a.png", app.key), "spare", "no-cache"),
    ] {
        let answer = get(&server, &path).await.expect(200);
        assert_eq!((answer.text(), answer.header("cache-control")), (expected, cache), "{path}");
    }
    for path in [
        format!("/fallback=handle:{missing}/{missing}"),
        format!("/{}/fallback=handle:http:test.com/{missing}", app.key),
        format!("/store/fallback=handle:{spare}/{missing}"),
    ] {
        assert_eq!(get(&server, &path).await.expect(404).json()["code"], "file_not_found", "{path}");
    }
    assert_refused(
        &get(&server, &format!("/fallback/{handle}")).await,
        "invalid_parameter",
        "missing parameter `handle` for `fallback` task",
    );
}

/// A fallback opens nothing that its own credentials do not open.
#[tokio::test]
async fn a_fallback_needs_the_authority_of_its_app() {
    let server = server();
    let (open, secured) = (server.app("open", &[]), server.app("secured", &["--security"]));
    let secret = stored_text(&server, &secured, "a.txt", "secret").await;
    let missing = "AAAAAAAAAAAAAAAAAAAA";
    get(&server, &format!("/fallback=handle:{secret}/{missing}")).await.expect(404);
    let foreign = signed(&open, &allowing(&["read"]));
    let own = signed(&secured, &allowing(&["read"]));
    let stores = signed(&secured, &allowing(&["store"]));
    let bound = signed(&secured, &format!(r#"{{"expiry":4102444800,"call":["read"],"handle":"{missing}"}}"#));
    for (query, status) in [(&foreign, 404), (&stores, 404), (&bound, 404), (&own, 200)] {
        let reference = encoded(&format!("{secret}?{query}"));
        get(&server, &format!("/fallback=handle:{reference}/{missing}")).await.expect(status);
        get(&server, &format!("/fallback=handle:{secret}/{missing}?{query}")).await.expect(status);
    }
    // Who may not read the file itself is told so.
    let spare = stored_text(&server, &open, "b.txt", "spare").await;
    get(&server, &format!("/fallback=handle:{spare}/{secret}")).await.expect(403);
}

#[tokio::test]
async fn debug_tells_what_a_path_means() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored_text(&server, &app, "a.txt", "hello").await;
    let told = async |path: String| get(&server, &path).await.expect(200).json();
    let report = told(format!("/{}/debug/cache=e:60/{handle}", app.key)).await;
    assert_eq!(
        report["source"],
        json!({ "url": format!("{}/{handle}", server.url()), "mimetype": "text/plain", "size": 5 })
    );
    assert_eq!(report["status"], json!({ "message": "OK", "http_code": 200 }));
    assert_eq!((&report["apikey"], &report["task_uri"]), (&json!(app.key), &json!("cache=expiry:60")));
    assert_eq!((&report["debug"], &report["chain"]), (&json!(true), &Value::Null));
    assert!(text_of(&report, "start_time").ends_with('Z') && text_of(&report, "processing_time").ends_with("ms"));
    for (path, code, message) in [
        (
            format!("/debug/resize=heigt:1/{handle}"),
            400,
            "validation error: invalid parameter `heigt` for `resize` task",
        ),
        (format!("/debug/resize=width:1/{handle}"), 400, "Unsupported input format"),
        (format!("/debug/imagesize/{handle}"), 400, "Unsupported input format"),
        (
            format!("/debug/store/{handle}"),
            400,
            "Unsupported conversion: `store` together with `debug` is not available in this version",
        ),
        ("/debug/AAAAAAAAAAAAAAAAAAAA".to_owned(), 404, "File not found"),
    ] {
        assert_eq!(told(path).await["status"], json!({ "message": message, "http_code": code }));
    }
    get(&server, &format!("/debug/Aunknown00000000000000z/resize=width:1/{handle}")).await.expect(401);
    let secured = server.app("secured", &["--security"]);
    let secret = stored_text(&server, &secured, "a.txt", "secret").await;
    get(&server, &format!("/debug/{secret}")).await.expect(403);
    assert_eq!(files_stored(&server).await, 2);
}
