//! A Swift account without a configured container: its only one is the default (spec 01 §4).

use stowage_testkit::SwiftServer;

use super::{CONTAINERS, install_tls_provider, open, owned};
use crate::{
    hostile::files_stored,
    support::{get, post, server, text_of},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_only_container_of_the_account_is_found() {
    install_tls_provider();
    let Some(swift) = SwiftServer::start() else { return };
    let server = server();
    let app = server.app("shop", &[]);
    let settings = owned(&[
        ("auth.method", "v1"),
        ("auth.url", &swift.auth_url()),
        ("auth.user", SwiftServer::USER),
        ("auth.key", SwiftServer::KEY),
    ]);
    let texts: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut arguments = vec!["store", "add", "shop", "rackspace", "--provider", "swift"];
    arguments.extend(texts.iter().map(String::as_str));
    server.run(&arguments);
    let path = format!("/api/store/rackspace?key={}", app.key);

    let none = post(&server, &path, "x").await.expect(400);
    assert_eq!(none.header("x-stowage-error"), "store_unsupported");
    assert!(none.text().contains("container"), "{}", none.text());

    swift.request("PUT", &format!("/{}", CONTAINERS[0]), &[]).await;
    for query in ["", "&container=files"] {
        let stored = post(&server, &format!("{path}{query}&filename=a.txt"), "hello").await.expect(200).json();
        assert_eq!(stored["container"], "files", "{query}");
        let object = swift.request("GET", &format!("/files/{}", text_of(&stored, "key")), &[]).await;
        assert_eq!(object.text().await.expect("text"), "hello");
        assert_eq!(get(&server, &format!("/{}", text_of(&stored, "handle"))).await.expect(200).text(), "hello");
    }
    let other = post(&server, &format!("{path}&container=other"), "x").await.expect(400);
    assert_eq!(other.header("x-stowage-error"), "invalid_parameter");
    assert_eq!(files_stored(&server).await, 2);

    swift.request("PUT", "/second", &[]).await;
    let undecided = open("swift", &settings).detected_container().await;
    assert!(undecided.is_err(), "of two containers none is the default: {undecided:?}");
}
