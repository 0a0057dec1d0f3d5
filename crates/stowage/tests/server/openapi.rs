//! The OpenAPI document: complete, and what `docs/openapi.json` says.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;
use stowage_server::http::routes::{DELIVERY, ROUTES};

use crate::support::{get, server};

async fn document() -> String {
    let answer = get(&server(), "/openapi.json").await.expect(200);
    let document = answer.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    answer.text().to_owned()
}

/// Rewrite it with: UPDATE_DOCS=1 cargo nextest run -p stowage --test server openapi
#[tokio::test]
async fn the_snapshot_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let current = document().await + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, &current).expect("docs/openapi.json can be written");
    }
    let kept = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        kept == current,
        "docs/openapi.json is out of date; run again with UPDATE_DOCS=1 and review the difference"
    );
}

#[tokio::test]
async fn document_and_table_of_routes_name_the_same() {
    let document: Value = serde_json::from_str(&document().await).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut documented = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, item) in paths {
        let placeholders: BTreeSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        for (method, operation) in item.as_object().expect("a path item") {
            documented.insert((method.to_ascii_uppercase(), path.clone()));
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "two operations are called {}",
                operation["operationId"]
            );
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let named: BTreeSet<&str> = parameters
                .filter(|parameter| parameter["in"] == "path")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            assert_eq!(named, placeholders, "{method} {path}");
        }
    }
    let table: BTreeSet<(String, String)> = ROUTES
        .iter()
        .chain([&DELIVERY])
        .flat_map(|route| route.methods.iter().map(|method| (method.to_string(), route.pattern.to_owned())))
        .collect();
    assert_eq!(documented, table);
}
