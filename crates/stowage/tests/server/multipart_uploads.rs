//! The multipart protocol (spec 03): whole parts, chunks, mixtures, repetitions, refusals.

mod limits;

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::support::{App, HttpAnswer, Stowage, allowing, client, get, send, server, server_with, signed, text_of};

const MIB: usize = 1 << 20;

/// Bytes that differ from place to place.
fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|index| (index as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed).collect()
}

fn md5(content: &[u8]) -> String {
    STANDARD.encode(Md5::digest(content))
}

/// An upload as a client sees it.
struct Client<'a> {
    server: &'a Stowage,
    app: &'a App,
    begun: Value,
}

async fn call(server: &Stowage, step: &str, body: &Value) -> HttpAnswer {
    send(client().post(format!("{}/multipart/{step}", server.url())).json(body)).await
}

impl<'a> Client<'a> {
    async fn start(server: &'a Stowage, app: &'a App, more: Value) -> Self {
        let mut body = json!({ "apikey": app.key, "filename": "ab.bin", "mimetype": "application/x-ab",
            "store": { "location": "S3" } });
        merge(&mut body, &more);
        let begun = call(server, "start", &body).await.expect(200).json();
        Self { server, app, begun }
    }

    /// Goes on with an upload after the server was started again.
    fn again(server: &'a Stowage, app: &'a App, begun: &Value) -> Self {
        Self { server, app, begun: begun.clone() }
    }

    fn body(&self, more: &Value) -> Value {
        let mut body = json!({ "apikey": self.app.key });
        merge(
            &mut body,
            &json!({ "uri": self.begun["uri"], "region": self.begun["region"],
            "upload_id": self.begun["upload_id"], "store": { "location": "S3" } }),
        );
        merge(&mut body, more);
        body
    }

    async fn announce(&self, more: Value) -> HttpAnswer {
        call(self.server, "upload", &self.body(&more)).await
    }

    async fn put_at(&self, announced: &Value, content: &[u8]) -> HttpAnswer {
        let mut request = client().put(text_of(announced, "url")).body(content.to_vec());
        for (name, value) in announced["headers"].as_object().expect("an object of headers") {
            request = request.header(name, value.as_str().expect("texts"));
        }
        send(request).await
    }

    /// A whole part; gives its ETag.
    async fn part(&self, number: u32, content: &[u8]) -> String {
        let announced = json!({ "part": number, "size": content.len(), "md5": md5(content) });
        let announced = self.announce(announced).await.expect(200).json();
        let stored = self.put_at(&announced, content).await.expect(200);
        assert!(stored.body.is_empty());
        stored.header("etag").to_owned()
    }

    async fn chunk(&self, number: u32, offset: usize, content: &[u8]) {
        let announced =
            json!({ "part": number, "size": content.len(), "md5": md5(content), "offset": offset, "fii": true });
        let announced = self.announce(announced).await.expect(200).json();
        self.put_at(&announced, content).await.expect(200);
    }

    async fn commit(&self, number: u32) -> HttpAnswer {
        call(self.server, "commit", &self.body(&json!({ "part": number, "size": 1, "fii": true }))).await
    }

    async fn complete(&self, more: Value) -> HttpAnswer {
        call(self.server, "complete", &self.body(&more)).await
    }

    async fn content(&self, file: &Value) -> Vec<u8> {
        get(self.server, &format!("/api/file/{}", text_of(file, "handle"))).await.expect(200).body
    }
}

fn merge(body: &mut Value, more: &Value) {
    let body = body.as_object_mut().expect("an object");
    for (name, value) in more.as_object().expect("an object") {
        body.insert(name.clone(), value.clone());
    }
}

/// No staging file is left behind.
fn staged(server: &Stowage) -> usize {
    std::fs::read_dir(server.data().join("uploads")).expect("the directory is there").count()
}

#[tokio::test]
async fn whole_parts_become_a_file_whatever_their_order() {
    let server = server();
    let app = server.app("uploads", &[]);
    let content = bytes(5 * MIB + 11, 7);
    let upload = Client::start(&server, &app, json!({ "size": content.len() })).await;
    assert!(text_of(&upload.begun, "uri").ends_with("_ab.bin"), "{}", upload.begun);
    assert_eq!(upload.begun["region"], "us-east-1");
    assert_eq!(upload.begun["upload_type"], Value::Null);
    assert_eq!(upload.begun["location_url"], server.address());
    let last = upload.part(2, &content[5 * MIB..]).await;
    let first = upload.part(1, &content[..5 * MIB]).await;
    assert_eq!(first, format!("\"{}\"", hex::encode(Md5::digest(&content[..5 * MIB]))));
    // The same part again, as after a lost answer.
    assert_eq!(upload.part(1, &content[..5 * MIB]).await, first);
    let parts = json!({ "size": content.len(), "filename": "ab.bin", "mimetype": "application/x-ab", "upload_tags": { "a": "b" }, "alt": "a noise",
        "parts": [{ "part_number": 2, "etag": last.trim_matches('"') }, { "part_number": 1, "etag": first }] });
    let file = upload.complete(parts.clone()).await.expect(200).json();
    assert_eq!(file["status"], "Stored");
    assert_eq!(file["size"], content.len());
    assert_eq!(file["mimetype"], "application/x-ab");
    assert_eq!(file["upload_tags"], json!({ "a": "b" }));
    assert_eq!(text_of(&upload.begun, "uri"), format!("/{}/{}", text_of(&file, "container"), text_of(&file, "key")));
    assert!(upload.content(&file).await == content, "the content is another");
    assert_eq!(staged(&server), 0);
    // A repetition after a lost answer gives the same file.
    assert_eq!(upload.complete(parts).await.expect(200).json(), file);
    let digest = get(&server, &format!("/api/file/{}/metadata?sha256=true&alt=true", text_of(&file, "handle")))
        .await
        .expect(200)
        .json();
    assert_eq!(digest["sha256"], hex::encode(sha2::Sha256::digest(&content)));
    assert_eq!(digest["alt"], "a noise");
}

#[tokio::test]
async fn chunks_of_any_cut_and_order_become_a_file() {
    let server = server();
    let app = server.app("uploads", &[]);
    let content = bytes(9 * MIB + 5, 1);
    let upload = Client::start(&server, &app, json!({ "size": content.len(), "fii": true })).await;
    assert_eq!(upload.begun["upload_type"], "intelligent_ingestion");
    upload.chunk(1, 3 * MIB, &content[3 * MIB..8 * MIB]).await;
    assert_eq!(upload.commit(1).await.expect(400).json()["error"], "part 1 incomplete");
    // A chunk that was cut differently before overlaps; the later bytes win.
    upload.chunk(1, 2 * MIB, &bytes(MIB + 9, 99)).await;
    upload.chunk(1, 0, &content[..4 * MIB]).await;
    upload.commit(1).await.expect(200);
    upload.commit(1).await.expect(200);
    upload.chunk(2, 0, &content[8 * MIB..]).await;
    // The commit of part 2 got lost; it has no hole, so it counts.
    let file = upload.complete(json!({ "fii": true })).await.expect(200).json();
    assert!(upload.content(&file).await == content, "the content is another");
    assert_eq!(staged(&server), 0);
}

#[tokio::test]
async fn a_mixture_of_whole_and_chunked_parts_becomes_a_file() {
    let server = server();
    let app = server.app("uploads", &[]);
    let content = bytes(17 * MIB, 3);
    let upload = Client::start(&server, &app, json!({ "size": content.len(), "fii": true })).await;
    let etag = upload.part(1, &content[..8 * MIB]).await;
    upload.chunk(2, 0, &content[8 * MIB..12 * MIB]).await;
    upload.chunk(2, 4 * MIB, &content[12 * MIB..16 * MIB]).await;
    upload.commit(2).await.expect(200);
    upload.chunk(3, 0, &content[16 * MIB..]).await;
    let file =
        upload.complete(json!({ "fii": true, "parts": [{ "part_number": 1, "etag": etag }] })).await.expect(200).json();
    assert!(upload.content(&file).await == content, "the content is another");
}

#[tokio::test]
async fn odd_part_sizes_and_an_empty_file_are_put_together_too() {
    let server = server();
    let app = server.app("uploads", &[]);
    let content = bytes(100_000, 5);
    let upload = Client::start(&server, &app, json!({ "size": content.len() })).await;
    let mut start = 0;
    for (number, length) in [(1, 8192), (2, 20_000), (3, 1), (4, 30_000), (5, 41_807)] {
        upload.part(number, &content[start..start + length]).await;
        start += length;
    }
    let file = upload.complete(json!({ "parts": null })).await.expect(200).json();
    assert!(upload.content(&file).await == content, "the content is another");
    let empty = Client::start(&server, &app, json!({ "size": 0 })).await;
    let file = empty.complete(json!({ "parts": [] })).await.expect(200).json();
    assert_eq!(file["size"], 0);
    assert!(empty.content(&file).await.is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name_and_the_upload_goes_on() {
    let server = server();
    let app = server.app("uploads", &[]);
    let other = server.app("other", &[]);
    let content = bytes(6 * MIB, 8);
    for (field, value) in [
        ("size", json!(-1)),
        ("size", json!("1e9")),
        ("size", json!(null)),
        ("size", json!(18_446_744_073_709_551_615_u64)),
    ] {
        let mut body = json!({ "apikey": app.key, "filename": "a", "size": 1 });
        merge(&mut body, &json!({ field: value }));
        let answer = call(&server, "start", &body).await;
        assert!([400, 413].contains(&answer.status), "{} {}", answer.status, answer.text());
        assert!(answer.text().contains(field) || answer.status == 413, "{}", answer.text());
    }
    let region = json!({ "apikey": app.key, "filename": "a", "size": 1, "store": { "region": "no such region!" } });
    assert!(call(&server, "start", &region).await.expect(400).text().contains("invalid params: store:region"));
    let upload = Client::start(&server, &app, json!({ "size": content.len() })).await;
    for part in [json!(0), json!(10_001), json!(-1), json!("x"), json!(null)] {
        let answer = upload.announce(json!({ "part": part, "size": 1 })).await.expect(400);
        assert!(answer.text().contains("invalid params: part"), "{}", answer.text());
    }
    assert!(upload.announce(json!({ "part": 1, "size": 7 * MIB })).await.expect(400).text().contains("size"));
    assert!(upload.announce(json!({ "part": 1, "size": 1, "md5": "short" })).await.expect(400).text().contains("md5"));

    // Another app's key, another upload's id: as if there were none.
    let foreign = upload.body(&json!({ "apikey": other.key, "part": 1, "size": 1 }));
    let foreign = call(&server, "upload", &foreign).await.expect(404).json();
    let unknown = upload.body(&json!({ "upload_id": "0123456789abcdef0123456789abcdef", "part": 1, "size": 1 }));
    assert_eq!(call(&server, "upload", &unknown).await.expect(404).json(), foreign);
    upload.announce(json!({ "part": 1, "size": 1, "uri": "/somewhere/else" })).await.expect(400);

    // Wrong content: BadDigest; wrong length: refused before a byte is read, and while reading.
    let announced = json!({ "part": 1, "size": 5 * MIB, "md5": md5(&content[..5 * MIB]) });
    let announced = upload.announce(announced).await.expect(200).json();
    let wrong = upload.put_at(&announced, &content[1..5 * MIB + 1]).await.expect(400);
    assert!(wrong.text().contains("<Code>BadDigest</Code>"), "{}", wrong.text());
    upload.put_at(&announced, &content[..100]).await.expect(400);
    assert_eq!(upload.complete(json!({})).await.expect(400).json()["code"], "invalid_params");

    upload.put_at(&announced, &content[..5 * MIB]).await.expect(200);
    let missing = upload.complete(json!({ "parts": [{ "part_number": 1 }, { "part_number": 2 }] })).await.expect(400);
    assert!(missing.text().contains("invalid params: parts: part 2"), "{}", missing.text());
    let etag = json!({ "parts": [{ "part_number": 1, "etag": "\"0123456789abcdef0123456789abcdef\"" }] });
    assert!(upload.complete(etag).await.expect(400).text().contains("another ETag"));
    let short = upload.complete(json!({ "size": content.len() })).await.expect(400);
    assert!(short.text().contains("invalid params: parts"), "{}", short.text());
    assert!(upload.complete(json!({ "size": 5 * MIB })).await.expect(400).text().contains("size"));

    upload.part(2, &content[5 * MIB..]).await;
    let file = upload.complete(json!({})).await.expect(200).json();
    assert!(upload.content(&file).await == content, "the content is another");
    // A late part of a complete upload changes nothing.
    assert_eq!(upload.put_at(&announced, &content[..5 * MIB]).await.status, 409);
    assert!(upload.content(&file).await == content, "the content is another");
}

#[tokio::test]
async fn policies_are_judged_at_the_start_and_bad_ones_always() {
    let server = server();
    let app = server.app("secured", &["--security"]);
    let start = |more: Value| {
        let mut body = json!({ "apikey": app.key, "filename": "a.bin", "size": 10, "mimetype": "image/png" });
        merge(&mut body, &more);
        body
    };
    assert_eq!(call(&server, "start", &start(json!({}))).await.expect(403).json()["code"], "policy_missing");
    let credentials = |json: &str| {
        let query = signed(&app, json);
        let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        json!({ pairs[0].0: pairs[0].1, pairs[1].0: pairs[1].1 })
    };
    let refused = |more: &Value| start(more.clone());
    let read = credentials(&allowing(&["read"]));
    assert_eq!(call(&server, "start", &refused(&read)).await.expect(403).json()["code"], "policy_call");
    let expired = credentials(r#"{"expiry":1,"call":["pick"]}"#);
    assert_eq!(call(&server, "start", &refused(&expired)).await.expect(403).json()["code"], "policy_expired");
    let small = credentials(r#"{"expiry":4102444800,"call":["pick"],"maxSize":9}"#);
    assert_eq!(call(&server, "start", &refused(&small)).await.expect(403).json()["code"], "policy_max_size");

    let good = credentials(&allowing(&["pick"]));
    let upload = Client::start(&server, &app, {
        let mut more = json!({ "size": 10 });
        merge(&mut more, &good);
        more
    })
    .await;
    // No credentials on the way (Ruby, Python, Go), invalid ones refused, expired ones tolerated.
    let bad = json!({ "part": 1, "size": 10, "policy": good["policy"], "signature": "00" });
    upload.announce(bad).await.expect(403);
    let mut late = json!({ "part": 1, "size": 10 });
    merge(&mut late, &expired);
    upload.announce(late).await.expect(200);
    upload.part(1, &[1; 10]).await;
    upload.complete(json!({})).await.expect(200);
}

#[tokio::test]
async fn an_upload_survives_a_killed_server_between_any_two_steps() {
    let mut server = server();
    let app = server.app("uploads", &[]);
    let content = bytes(9 * MIB + 77, 2);
    let begun = Client::start(&server, &app, json!({ "size": content.len(), "fii": true })).await.begun;
    server.kill_and_restart();
    Client::again(&server, &app, &begun).part(1, &content[..8 * MIB]).await;
    server.kill_and_restart();
    Client::again(&server, &app, &begun).chunk(2, 50, &content[8 * MIB + 50..]).await;
    server.kill_and_restart();
    Client::again(&server, &app, &begun).chunk(2, 0, &content[8 * MIB..8 * MIB + 50]).await;
    Client::again(&server, &app, &begun).commit(2).await.expect(200);
    server.kill_and_restart();
    let file = Client::again(&server, &app, &begun).complete(json!({ "fii": true })).await.expect(200).json();
    server.kill_and_restart();
    assert!(Client::again(&server, &app, &begun).content(&file).await == content, "the content is another");
    assert_eq!(
        Client::again(&server, &app, &begun).complete(json!({ "fii": true })).await.expect(200).json()["handle"],
        file["handle"]
    );
}

#[tokio::test]
async fn uploads_that_nobody_goes_on_with_are_forgotten() {
    let server = server_with(&[("STOWAGE_LIMITS_UPLOAD_LIFETIME", "1s"), ("STOWAGE_LIMITS_MAX_OPEN_UPLOADS", "1")]);
    let app = server.app("uploads", &[]);
    let upload = Client::start(&server, &app, json!({ "size": 10 })).await;
    upload.part(1, &[1; 5]).await;
    assert_eq!(staged(&server), 1);
    let more = json!({ "apikey": app.key, "filename": "b", "size": 1 });
    assert_eq!(call(&server, "start", &more).await.expect(429).json()["code"], "too_many_uploads");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while staged(&server) > 0 {
        assert!(std::time::Instant::now() < deadline, "the staging file is still there");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    upload.announce(json!({ "part": 2, "size": 5 })).await.expect(404);
    call(&server, "start", &more).await.expect(200);
}

/// An app that stores into `bucket` of a real S3 server.
pub(crate) fn bucket_app(server: &Stowage, s3: &stowage_testkit::S3Server, arguments: &[&str]) -> App {
    let app = server.app("shop", arguments);
    let settings = [
        "bucket=bucket".to_owned(),
        format!("endpoint={}", s3.endpoint()),
        "region=us-east-1".to_owned(),
        format!("access_key_id={}", s3.access_key_id()),
        format!("secret_access_key={}", s3.secret_access_key()),
    ];
    let mut arguments = vec!["store", "add", "shop", "S3", "--provider", "s3"];
    arguments.extend(settings.iter().map(String::as_str));
    server.run(&arguments);
    app
}

#[tokio::test]
async fn parts_go_to_the_bucket_as_they_come_and_survive_a_restart_in_between() {
    let s3 = stowage_testkit::S3Server::start("bucket").await;
    let mut server = server();
    let app = bucket_app(&server, &s3, &[]);
    let content = bytes(20 * MIB + 9, 4);
    let begun = Client::start(&server, &app, json!({ "size": content.len() })).await.begun;
    let upload = Client::again(&server, &app, &begun);
    upload.part(1, &content[..8 * MIB]).await;
    // Nothing of it is staged here: it went on while it came.
    assert_eq!(staged(&server), 0);
    upload.chunk(2, 0, &content[8 * MIB..10 * MIB]).await;
    upload.chunk(2, 2 * MIB, &content[10 * MIB..16 * MIB]).await;
    upload.commit(2).await.expect(200);
    server.kill_and_restart();
    let upload = Client::again(&server, &app, &begun);
    upload.part(3, &content[16 * MIB..]).await;
    let file = upload.complete(json!({})).await.expect(200).json();
    assert!(upload.content(&file).await == content, "the content is another");
    let object = s3.root().join("bucket").join(text_of(&file, "key"));
    assert!(std::fs::read(object).expect("the object has the reported key") == content, "the object is another");
    assert_eq!(staged(&server), 0);
}

#[tokio::test]
async fn clients_put_parts_straight_to_the_provider_where_the_app_allows_it() {
    let s3 = stowage_testkit::S3Server::start("bucket").await;
    let server = server();
    let app = bucket_app(&server, &s3, &["--direct-uploads", "true"]);
    let content = bytes(11 * MIB + 9, 6);
    let upload = Client::start(&server, &app, json!({ "size": content.len() })).await;
    for (number, part) in [(1, &content[..6 * MIB]), (2, &content[6 * MIB..11 * MIB])] {
        let announced = upload.announce(json!({ "part": number, "size": part.len(), "md5": md5(part) })).await;
        let announced = announced.expect(200).json();
        assert!(text_of(&announced, "url").starts_with(&s3.endpoint().to_string()), "{announced}");
        let stored = upload.put_at(&announced, part).await.expect(200);
        assert_eq!(stored.header("etag"), format!("\"{}\"", hex::encode(Md5::digest(part))));
        // The address is good for exactly these bytes.
        assert_ne!(upload.put_at(&announced, &part[1..]).await.status, 200);
    }
    assert!(upload.complete(json!({})).await.expect(400).text().contains("parts"));
    // What is too small for the provider comes here.
    upload.part(3, &content[11 * MIB..]).await;
    let file = upload.complete(json!({})).await.expect(200).json();
    assert!(upload.content(&file).await == content, "the content is another");
    assert_eq!(file["size"], content.len());
}
