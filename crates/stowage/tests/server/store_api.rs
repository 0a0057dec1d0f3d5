//! `POST /api/store/{location}` (spec 01 §1).

use serde_json::Value;

use crate::support::{client, server};

#[tokio::test]
async fn a_form_upload_is_read_back_from_its_url() {
    let server = server();
    let app = server.app("shop", &[]);
    let content: Vec<u8> = (0..300_000u32).flat_map(|number| number.to_le_bytes()).collect();
    let part = reqwest::multipart::Part::bytes(content.clone()).file_name("photo.jpg").mime_str("image/jpeg").expect("a type");
    let form = reqwest::multipart::Form::new().part("fileUpload", part);
    let url = format!("{}/api/store/S3?key={}", server.url(), app.key);
    let response = client().post(url).multipart(form).send().await.expect("the server answers");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let stored: Value = response.json().await.expect("JSON");
    assert_eq!(stored["filename"], "photo.jpg");
    assert_eq!(stored["type"], "image/jpeg");
    assert_eq!(stored["size"], content.len());
    let handle = stored["handle"].as_str().expect("a handle");
    assert_eq!(handle.len(), 20);
    assert_eq!(stored["url"], format!("{}/{handle}", server.url()));
    let key = stored["key"].as_str().expect("a key");
    assert!(key.ends_with("_photo.jpg") && key.len() == 20 + "_photo.jpg".len() && !key.contains(handle), "{key}");

    let read = client().get(stored["url"].as_str().expect("a url")).send().await.expect("the server answers");
    assert_eq!(read.headers()["content-type"], "image/jpeg");
    assert_eq!(read.headers()["x-file-name"], "photo.jpg");
    assert_eq!(read.bytes().await.expect("the bytes"), content);
}
