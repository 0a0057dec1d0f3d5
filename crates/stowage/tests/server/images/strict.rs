//! Apps whose pictures are worked on by signature and by preset only (threat E), and what active results may do (threats F1 to F4).

use std::process::Command;

use serde_json::json;
use stowage_imaging::Format;

use super::{Shown, assert_refused, quarters, still, stored};
use crate::support::{allowing, client, get, security_segment, send, server, signed};

#[tokio::test]
async fn only_signatures_and_presets_open_a_strict_app() {
    let server = server();
    let app = server.app("shop", &["--strict-images", "true", "--preset", "avatar=resize=width:20/output=format:webp"]);
    let handle = stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await;
    let command = |tasks: serde_json::Value| {
        let command = json!({ "apikey": app.key, "sources": [format!("{}/{handle}", server.url())], "tasks": tasks });
        send(client().post(format!("{}/process", server.url())).json(&command))
    };
    for path in [
        format!("/resize=width:20/{handle}"),
        format!("/preset=name:avatar/flip/{handle}"),
        format!("/resize=width:20/store/{handle}"),
    ] {
        let refused = get(&server, &path).await.expect(403);
        assert_eq!(refused.json()["code"], "preset_required", "{path}");
    }
    let resize = json!({ "name": "resize", "params": { "width": 20 } });
    let preset = json!({ "name": "preset", "params": { "name": "avatar" } });
    assert_eq!(command(json!([resize, { "name": "store" }])).await.expect(403).json()["code"], "preset_required");
    let stored = command(json!([preset, { "name": "store" }])).await.expect(200).json();
    assert_eq!((&stored["width"], &stored["type"]), (&json!(20), &json!("image/webp")));
    let small = get(&server, &format!("/preset=name:avatar/{handle}")).await.expect(200);
    assert_eq!((small.header("content-type"), Shown::of(&small.body).size()), ("image/webp", (20, 10)));
    for path in [format!("/{handle}"), format!("/imagesize/{handle}"), format!("/{handle}/metadata")] {
        get(&server, &path).await.expect(200);
    }
    let unknown = get(&server, &format!("/preset=name:other/{handle}")).await;
    assert_refused(&unknown, "invalid_parameter", "invalid parameter `name` for `preset` task", "an unknown preset");
    let convert = allowing(&["convert"]);
    get(&server, &format!("/{}/resize=width:20/{handle}", security_segment(&app, &convert))).await.expect(200);
    get(&server, &format!("/resize=width:20/{handle}?{}", signed(&app, &convert))).await.expect(200);
    let read_only = get(&server, &format!("/resize=width:20/{handle}?{}", signed(&app, &allowing(&["read"])))).await;
    assert_eq!(read_only.expect(403).json()["code"], "policy_call");
}

#[test]
fn a_preset_stores_nothing() {
    let server = server();
    server.app("shop", &[]);
    for preset in ["x=store", "x=resize=width:10/store", "x=preset=name:x", "x=resize=heigt:1", "x=", "=resize=width:1"]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stowage"));
        let command = command.env("STOWAGE_DATA", server.data()).args(["app", "set", "shop", "--preset", preset]);
        let output = command.output().expect("the command runs");
        // An empty value takes a preset away.
        assert_eq!(output.status.success(), preset == "x=", "{preset}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A drawing can hold scripts, so nobody is shown one in place.
#[tokio::test]
async fn drawings_are_locked_up() {
    let server = server();
    let app = server.app("shop", &[]);
    let drawing = br#"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><script>alert(1)</script><rect width="40" height="20" fill="red" onclick="alert(2)"/></svg>"#;
    let (svg, png) = (
        stored(&server, &app, "a.svg", drawing.to_vec()).await,
        stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await,
    );
    for path in [format!("/output=format:svg/{png}"), format!("/output=secure:true/{svg}"), format!("/{svg}")] {
        let answer = get(&server, &path).await.expect(200);
        assert_eq!(answer.header("content-type"), "image/svg+xml", "{path}");
        assert!(answer.header("content-disposition").starts_with("attachment"), "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        if path.contains("secure") {
            assert!(answer.text().contains("#ff0000") && !answer.text().contains("alert"), "{}", answer.text());
        }
    }
    let drawn = get(&server, &format!("/output=format:png/{svg}")).await.expect(200);
    assert!(!drawn.headers.contains_key("content-security-policy"));
    Shown::of(&drawn.body).shows((0.5, 0.5), super::RED, "a drawing as PNG");
}
