//! `/prefetch` (spec 01 §8).

use serde_json::{Value, json};

use crate::support::{HttpAnswer, Stowage, allowing, get, post, server, signed, text_of};

async fn ask(server: &Stowage, question: &Value) -> HttpAnswer {
    post(server, "/prefetch", question.to_string()).await
}

#[tokio::test]
async fn pickers_are_told_what_they_may_offer() {
    let server = server();
    let app = server.app("shop", &[]);
    let question = json!({
        "apikey": app.key,
        "settings": ["inapp_browser", "customsource"],
        "permissions": ["intelligent_ingestion", "transforms_ui", "whitelabel", "enhance", "advanced_enhance", "more"],
        "picker_config": { "maxFiles": 3, "fromSources": ["local_file_system"], "lang": "de" },
        "events": ["picker"],
    });
    let told = ask(&server, &question).await.expect(200);
    assert_eq!(told.header("cache-control"), "no-store");
    let expected = json!({
        "blocked": false,
        "settings": { "inapp_browser": false, "customsource": null },
        "permissions": { "intelligent_ingestion": true, "transforms_ui": true, "whitelabel": true,
            "enhance": false, "advanced_enhance": false, "more": false },
        "updated_config": { "maxFiles": 3, "fromSources": ["local_file_system"], "lang": "de" },
    });
    assert_eq!(told.json(), expected);
    let short = ask(&server, &json!({ "apikey": app.key, "settings": ["inapp_browser"] })).await.expect(200).json();
    assert_eq!(short, json!({ "blocked": false, "settings": { "inapp_browser": false }, "permissions": {} }));

    // Older clients: flat flags.
    let flags = ask(&server, &json!({ "apikey": app.key, "flow": "web", "version": "1" })).await.expect(200).json();
    assert_eq!(get(&server, &format!("/prefetch?apikey={}", app.key)).await.expect(200).json(), flags);
    for name in ["blocked", "blacklisted", "intelligent_ingestion", "whitelabel", "customsource"] {
        assert!(flags[name].is_boolean(), "{name} in {flags}");
    }
    assert_eq!(text_of(&flags, "customsource_name"), "");

    for (question, status, code) in [
        (json!({ "apikey": "AAAAAAAAAAAAAAAAAAAAAz", "settings": [] }), 401, "invalid_application"),
        (json!({ "settings": [] }), 400, "invalid_parameter"),
        (json!({ "apikey": app.key, "settings": "inapp_browser" }), 400, "invalid_parameter"),
        (json!({ "apikey": app.key, "settings": [], "permissions": [1] }), 400, "invalid_parameter"),
        (json!(["apikey"]), 400, "invalid_body"),
    ] {
        assert_eq!(ask(&server, &question).await.expect(status).json()["code"], code, "{question}");
    }
    post(&server, "/prefetch", "{").await.expect(400);
    assert_eq!(post(&server, "/prefetch", vec![b' '; 100_000]).await.expect(400).json()["code"], "invalid_body");
}

#[tokio::test]
async fn a_policy_is_not_needed_but_must_be_valid() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let question = |security: Value| json!({ "apikey": app.key, "settings": ["inapp_browser"], "security": security });
    let credentials = |json: &str| {
        let signed = signed(&app, json);
        let (policy, signature) = signed.split_once("&signature=").expect("two parts");
        (policy.trim_start_matches("policy=").to_owned(), signature.to_owned())
    };
    ask(&server, &question(Value::Null)).await.expect(200);
    ask(&server, &question(json!({ "policy": "", "signature": "" }))).await.expect(200);
    let (policy, signature) = credentials(&allowing(&["read"]));
    ask(&server, &question(json!({ "policy": policy, "signature": signature }))).await.expect(200);
    let flat = json!({ "apikey": app.key, "policy": policy, "signature": signature });
    ask(&server, &flat).await.expect(200);

    let (old, old_signature) = credentials(r#"{"expiry":1000000000,"call":["read"]}"#);
    for (policy, signature, code) in [
        (old, old_signature, "policy_expired"),
        (policy.clone(), "0".repeat(64), "policy_signature"),
        (policy, String::new(), "policy_missing"),
    ] {
        let nested = json!({ "policy": policy, "signature": signature });
        assert_eq!(ask(&server, &question(nested)).await.expect(403).json()["code"], code);
        let flat = json!({ "apikey": app.key, "policy": policy, "signature": signature });
        assert_eq!(ask(&server, &flat).await.expect(403).json()["code"], code);
    }
}
