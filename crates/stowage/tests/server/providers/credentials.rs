//! `stowage store test`, and credentials that a provider refuses.

use super::{Backend, on_every_provider};
use crate::{
    hostile::{eventually, files_stored},
    support::{post, server},
};

on_every_provider!(credentials: [
    a_good_store_passes_its_test,
    refused_credentials_store_nothing
]);

async fn a_good_store_passes_its_test(backend: &Backend) {
    let server = server();
    let app = server.app("shop", &[]);
    backend.add_to(&server, &app);
    let printed = server.run(&["store", "test", "shop", backend.location]);
    for step in ["write", "read", "read a range", "describe", "list", "delete", "the store works"] {
        assert!(printed.contains(step), "no `{step}` in {printed}");
    }
    assert!(!printed.contains("failed"), "{printed}");
    assert_eq!(backend.keys("files").await, [""; 0], "the probe is gone");
}

async fn refused_credentials_store_nothing(backend: &Backend) {
    let server = server();
    let app = server.app("shop", &[]);
    backend.add_as(&server, &app, backend.location, &backend.refused_settings());
    let path = format!("/api/store/{}?key={}&path=a.txt", backend.location, app.key);
    let small = post(&server, &path, "x").await.expect(502);
    assert_eq!(small.header("x-stowage-error"), "store_denied");
    assert!(small.text().contains("credentials") && small.text().contains("stowage doctor"), "{}", small.text());
    let large = post(&server, &path, vec![0; 20 << 20]).await.expect(502);
    assert_eq!(large.header("x-stowage-error"), "store_denied");
    for (_, secret) in &backend.wrong {
        assert!(!small.text().contains(secret) && !large.text().contains(secret), "a setting in an answer");
    }
    assert_eq!(files_stored(&server).await, 0);
    assert_eq!(backend.keys("files").await, [""; 0]);

    let corrected: Vec<String> = backend
        .settings
        .iter()
        .filter(|(name, _)| backend.wrong.iter().any(|(wrong, _)| wrong == name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut arguments = vec!["store", "set", "shop", backend.location];
    arguments.extend(corrected.iter().map(String::as_str));
    server.run(&arguments);
    eventually("corrected credentials are taken over", async || post(&server, &path, "x").await.status == 200).await;
    assert_eq!(backend.object("files", "a.txt").await.expect("the object").0, b"x");
}
