//! Metadata in its URL forms (spec 02 §4).

use serde_json::{Value, json};
use stowage_testkit::{Origin, Reply};

use crate::support::{allowing, client, get, png, security_segment, send, server, server_with, signed, store, text_of};

const HASHES: [(&str, &str); 6] = [
    ("md5", "5eb63bbbe01eeed093cb22bb8f5acdc3"),
    ("sha1", "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"),
    ("sha224", "2f05477fc24bb4faefd86517156dafdecec45b8ad3cf2522a563582b"),
    ("sha256", "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"),
    ("sha384", "fdbd8e75a67f29f701a4e040385e2e23986303ea10239211af907fcbb83578b3e417cb71ce646efd0819dd8c088de1bd"),
    (
        "sha512",
        "309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a9bcd3ca86d4cd86f989dd35bc5ff499670da34255b45b0cfd830e81f605dcf7dc5542e93ae9cd76f",
    ),
];

/// The four forms of spec 02 §1, and what the libraries write around them.
fn forms(key: &str, handle: &str) -> Vec<String> {
    vec![
        format!("/api/file/{handle}/metadata"),
        format!("/api/file/{handle}+txt/metadata"),
        format!("/{handle}/metadata"),
        format!("/file/{handle}/metadata"),
        format!("/metadata/{handle}"),
        format!("/{key}/metadata/{handle}"),
        format!("/{key}/{handle}/metadata"),
    ]
}

#[tokio::test]
async fn without_flags_what_is_known_without_reading() {
    let server = server();
    let app = server.app("shop", &[]);
    let before = milliseconds();
    let stored = store(&server, &app, "filename=hello.txt&mimetype=text/plain&path=docs/", "hello world").await;
    let after = milliseconds();
    for path in forms(&app.key, text_of(&stored, "handle")) {
        for suffix in ["", "?", "?&", "?size=false&md5=false", "?key=x&policy=&signature="] {
            let mut metadata = get(&server, &format!("{path}{suffix}")).await.expect(200).json();
            let uploaded = metadata["uploaded"].take().as_f64().expect("a number");
            assert!((before..=after).contains(&uploaded), "milliseconds since the epoch: {uploaded}");
            let expected = json!({
                "size": 11, "mimetype": "text/plain", "filename": "hello.txt", "uploaded": null, "writeable": true,
                "location": "S3", "path": stored["key"], "container": "stowage", "key": stored["key"],
            });
            assert_eq!(metadata, expected, "{path}{suffix}");
        }
    }
}

fn milliseconds() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    now.as_millis() as f64
}

#[tokio::test]
async fn each_flag_gives_its_field_alone() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=hello.txt&mimetype=text/plain", "hello world").await;
    let handle = text_of(&stored, "handle");
    let mut fields = vec![
        ("size", json!(11)),
        ("mimetype", json!("text/plain")),
        ("filename", json!("hello.txt")),
        ("width", Value::Null),
        ("height", Value::Null),
        ("writeable", json!(true)),
        ("source_url", Value::Null),
        ("location", json!("S3")),
        ("path", stored["key"].clone()),
        ("container", json!("stowage")),
        ("key", stored["key"].clone()),
        ("exif", json!({})),
    ];
    fields.extend(HASHES.map(|(name, digest)| (name, json!(digest))));
    for path in forms(&app.key, handle) {
        for (name, value) in &fields {
            let flag =
                get(&server, &format!("{path}?&{name}=true&unknown=true&filenames=false")).await.expect(200).json();
            assert_eq!(flag, json!({ *name: value }), "{path}");
        }
        let uploaded = get(&server, &format!("{path}?uploaded=true")).await.json();
        assert!(uploaded["uploaded"].is_number() && uploaded.as_object().is_some_and(|fields| fields.len() == 1));
        let cloud = get(&server, &format!("{path}?cloud=true")).await.json();
        assert!(cloud.as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key("cloud")));
        let both = get(&server, &format!("{path}?size=true&md5=true&sha256=false")).await.json();
        assert_eq!(both, json!({ "size": 11, "md5": HASHES[0].1 }));
    }
    // As a task the fields may be named in the path.
    let task = get(&server, &format!("/metadata=[size,mimetype]/{handle}")).await.expect(200).json();
    assert_eq!(task, json!({ "size": 11, "mimetype": "text/plain" }));
    get(&server, &format!("/metadata=[size,shoe_size]/{handle}")).await.expect(400);
}

/// The other digests are computed once and then remembered: they are right before and after, and survive the bytes.
#[tokio::test]
async fn digests_are_remembered_until_the_content_changes() {
    let mut server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=hello.txt", "hello world").await;
    let path = format!("/{}/metadata?md5=true&sha512=true", text_of(&stored, "handle"));
    let expected = json!({ "md5": HASHES[0].1, "sha512": HASHES[5].1 });
    assert_eq!(get(&server, &path).await.json(), expected);
    server.kill_and_restart();
    let objects = crate::hostile::objects(server.data());
    for object in &objects {
        std::fs::remove_file(object).expect("the object is a file");
    }
    assert_eq!((objects.len(), get(&server, &path).await.expect(200).json()), (1, expected), "read from the catalogue");
    let overwrite = client().post(format!("{}/api/file/{}", server.url(), text_of(&stored, "handle")));
    send(overwrite.basic_auth("app", Some(&app.secret)).body("other content")).await.expect(200);
    let changed = get(&server, &path).await.json();
    assert_eq!(changed["md5"], "0c84751f0ca9c6886bb09f2dd1a66faa");
}

#[tokio::test]
async fn images_tell_their_size_and_exif() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=a.png", png()).await;
    let measured =
        get(&server, &format!("/{}/metadata?width=true&height=true", text_of(&stored, "handle"))).await.json();
    assert_eq!(measured, json!({ "width": 3, "height": 2 }));
    let jpeg = store(&server, &app, "filename=a.jpg", jpeg_with_exif()).await;
    for path in forms(&app.key, text_of(&jpeg, "handle")) {
        let told = get(&server, &format!("{path}?width=true&height=true&exif=true")).await.expect(200).json();
        let exif = json!({ "image": { "Make": "Canon", "Orientation": 6 } });
        assert_eq!(told, json!({ "width": 7, "height": 5, "exif": exif }), "{path}");
    }
    // A type that lies changes nothing about the bytes.
    let lying = store(&server, &app, "filename=a.txt&mimetype=text/plain", png()).await;
    let measured = get(&server, &format!("/{}/metadata?width=true", text_of(&lying, "handle"))).await.json();
    assert_eq!(measured, json!({ "width": 3 }));
}

/// The markers of a JPEG of 7 × 5 pixels: EXIF with two tags, frame, scan.
fn jpeg_with_exif() -> Vec<u8> {
    let tiff = [
        &b"II*\0\x08\0\0\0\x02\0"[..],
        b"\x0f\x01\x02\0\x06\0\0\0\x26\0\0\0", // Make: six characters at offset 38
        b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", // Orientation: 6
        b"\0\0\0\0Canon\0",
    ]
    .concat();
    let length = u16::try_from(tiff.len() + 8).expect("a short segment").to_be_bytes();
    let exif = [b"\xff\xe1", &length[..], b"Exif\0\0", &tiff].concat();
    let frame = b"\xff\xc0\0\x0b\x08\0\x05\0\x07\x01\x01\x11\0";
    [b"\xff\xd8", &exif[..], frame, b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\0\xff\xd9"].concat()
}

/// `exif` is never implied: with security on, the policy must name it.
#[tokio::test]
async fn metadata_needs_stat_and_exif_its_own_call() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let stored =
        store(&server, &app, &format!("filename=a.jpg&{}", signed(&app, &allowing(&["store"]))), jpeg_with_exif())
            .await;
    let everything = r#"{"expiry":4102444800}"#;
    for path in forms(&app.key, text_of(&stored, "handle")) {
        get(&server, &path).await.expect(403);
        get(&server, &format!("{path}?{}", signed(&app, &allowing(&["read"])))).await.expect(403);
        get(&server, &format!("{path}?size=true&{}", signed(&app, &allowing(&["stat"])))).await.expect(200);
        get(&server, &format!("{path}?{}", signed(&app, everything))).await.expect(200);
        for without in [&allowing(&["stat"]), everything] {
            let refused = get(&server, &format!("{path}?exif=true&{}", signed(&app, without))).await.expect(403);
            assert!(refused.text().contains("exif"), "{}", refused.text());
        }
        let told = get(&server, &format!("{path}?exif=true&{}", signed(&app, &allowing(&["stat", "exif"])))).await;
        assert_eq!(told.expect(200).json()["exif"]["image"]["Make"], "Canon");
        let basic = client().get(format!("{}{path}?exif=true", server.url())).basic_auth("app", Some(&app.secret));
        send(basic).await.expect(200);
    }
    let segment = security_segment(&app, &allowing(&["stat"]));
    get(&server, &format!("/{}/{segment}/metadata/{}", app.key, text_of(&stored, "handle"))).await.expect(200);
}

#[tokio::test]
async fn the_source_url_is_remembered() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/plain", b"x")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let url = origin.url("/a.txt?token=1");
    let command = json!({ "url": url }).to_string();
    let request = client().post(format!("{}/api/store/S3?key={}", server.url(), app.key));
    let stored = send(request.header("Content-Type", "application/json").body(command)).await.expect(200).json();
    for flag in ["source_url=true", "sourceUrl=true"] {
        let metadata = get(&server, &format!("/api/file/{}/metadata?{flag}", text_of(&stored, "handle"))).await.json();
        assert_eq!(metadata, json!({ "source_url": url }));
    }
}

#[tokio::test]
async fn unknown_files_have_no_metadata() {
    let server = server();
    let app = server.app("shop", &[]);
    for path in forms(&app.key, "AAAAAAAAAAAAAAAAAAAA") {
        get(&server, &path).await.expect(404);
    }
}
