//! `access=public` at S3 (moto, which keeps ACLs).

use stowage_testkit::Moto;

use super::install_tls_provider;
use crate::support::{client, send, server, store, text_of};

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
