//! `access` at the providers: an object is public, private, or refused; never public by accident.

use stowage_testkit::{Moto, OfficialClient, SwiftServer};

use super::{Backend, CONTAINERS, install_tls_provider};
use crate::{
    hostile::files_stored,
    support::{client, curl, send, server, store, text_of},
};

/// moto keeps access lists, as Amazon does.
#[tokio::test(flavor = "multi_thread")]
async fn an_overwritten_public_object_stays_public() {
    install_tls_provider();
    let Some(moto) = Moto::start().await else { return };
    moto.create_bucket("files").await;
    let server = server();
    let app = server.app("shop", &[]);
    let endpoint = format!("endpoint={}", moto.endpoint());
    let settings = ["bucket=files", &endpoint, "access_key_id=any", "secret_access_key=any"];
    server.run(&[&["store", "add", "shop", "S3", "--provider", "s3"], &settings[..]].concat());
    for (access, seen) in [("public", 200), ("private", 403)] {
        let stored = store(&server, &app, &format!("access={access}&path={access}.txt"), "the original").await;
        let anybody = || client().get(format!("{}/files/{access}.txt", moto.endpoint()));
        send(anybody()).await.expect(seen);
        let overwrite = client().post(format!("{}/api/file/{}", server.url(), text_of(&stored, "handle")));
        let overwrite = overwrite.basic_auth("app", Some(&app.secret)).body("the replacement");
        send(overwrite).await.expect(200);
        let answer = send(anybody()).await.expect(seen);
        assert_eq!(answer.text() == "the replacement", access == "public", "{}", answer.text());
    }
}

/// The test server lets anybody read everything, but Google's own client tells who is on the list.
#[tokio::test(flavor = "multi_thread")]
async fn google_lists_all_users_as_readers_of_public_objects_only() {
    install_tls_provider();
    let Some(backend) = Backend::gcs().await else { return };
    let Some(mut google) = OfficialClient::start(backend.provider, &backend.settings).await else { return };
    let server = server();
    let app = server.app("shop", &[]);
    backend.add_to(&server, &app);
    for (query, public) in [("access=public", true), ("access=private", false), ("", false)] {
        let url = format!("{}/api/store/gcs?key={}&{query}", server.url(), app.key);
        let stored = curl(&["-d", "hello", &url]).await.expect(200).json();
        let readers = google.readers("files", text_of(&stored, "key")).await;
        let readers = readers.as_array().expect("a list");
        assert_eq!(readers.iter().any(|reader| reader == "allUsers"), public, "{query}: {readers:?}");
    }
}

/// Swift opens whole containers: `access=public` is taken where everything is public.
#[tokio::test(flavor = "multi_thread")]
async fn swift_takes_public_objects_into_public_containers_only() {
    install_tls_provider();
    let Some(swift) = SwiftServer::start() else { return };
    swift.request("PUT", "/files", &[]).await;
    swift.request("PUT", "/second", &[("X-Container-Read", ".r:*")]).await;
    let (_, storage_url) = swift.token().await;
    let server = server();
    let app = server.app("shop", &[]);
    let auth_url = format!("auth.url={}", swift.auth_url());
    let (user, key) = (format!("auth.user={}", SwiftServer::USER), format!("auth.key={}", SwiftServer::KEY));
    let settings = ["container=files", "allowed_containers=second", "auth.method=v1", &auth_url, &user, &key];
    server.run(&[&["store", "add", "shop", "rackspace", "--provider", "swift"], &settings[..]].concat());
    let url = |query: &str| format!("{}/api/store/rackspace?key={}&{query}", server.url(), app.key);

    for (container, seen) in [(CONTAINERS[0], 401), (CONTAINERS[1], 200)] {
        curl(&["-d", "hello", &url(&format!("container={container}&path=a.txt"))]).await.expect(200);
        curl(&[&format!("{storage_url}/{container}/a.txt")]).await.expect(seen);
    }
    curl(&["-d", "hello", &url("access=public&container=second&path=b.txt")]).await.expect(200);
    assert_eq!(curl(&[&format!("{storage_url}/second/b.txt")]).await.expect(200).text(), "hello");
    let refused = curl(&["-d", "hello", &url("access=public&path=b.txt")]).await.expect(400);
    assert!(refused.text().contains("access=public"), "{}", refused.text());
    assert_eq!(files_stored(&server).await, 3);
}

/// Azure opens whole containers, and a link of Dropbox is a new address instead of an access list.
#[tokio::test(flavor = "multi_thread")]
async fn where_single_objects_cannot_be_public_nothing_is_stored() {
    install_tls_provider();
    for backend in [Backend::azure().await, Backend::dropbox().await].into_iter().flatten() {
        let server = server();
        let app = server.app("shop", &[]);
        backend.add_to(&server, &app);
        let url = |query: &str| format!("{}/api/store/{}?key={}&{query}", server.url(), backend.location, app.key);
        let refused = curl(&["-d", "hello", &url("access=public&path=a.txt")]).await.expect(400);
        assert_eq!(refused.header("x-stowage-error"), "invalid_parameter");
        assert!(refused.text().contains("`access`") && refused.text().contains("public"), "{}", refused.text());
        assert_eq!((files_stored(&server).await, backend.keys("files").await), (0, Vec::new()));

        curl(&["-d", "hello", &url("access=private&path=a.txt")]).await.expect(200);
        if backend.provider == "azure" {
            let endpoint = backend.settings.iter().find(|(name, _)| name == "endpoint").expect("an endpoint");
            let anybody = curl(&[&format!("{}/files/a.txt", endpoint.1)]).await;
            assert!((400..500).contains(&anybody.status), "{anybody:?}");
        }
    }
}
