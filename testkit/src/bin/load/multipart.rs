//! The multipart upload protocol, as the vendor's clients speak it in their default mode.

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{Method, Request, header};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::{
    Failure,
    connection::{Body, Connection, header_of},
};

/// MD5 in base64, as announcements have it.
pub(crate) fn md5_of(content: &[u8]) -> String {
    BASE64_STANDARD.encode(Md5::digest(content))
}

/// A begun upload.
pub(crate) struct Upload {
    /// What every request about it says.
    identity: Value,
}

impl Upload {
    /// Begins an upload of `size` bytes.
    pub(crate) async fn start(connection: &mut Connection, key: &str, size: usize) -> Result<Self, Failure> {
        let question = json!({
            "apikey": key, "filename": "bench.bin", "mimetype": "application/octet-stream", "size": size, "store": { "location": "S3" }
        });
        let mut identity = connection.post_json("/multipart/start", &question).await?;
        identity["apikey"] = key.into();
        Ok(Self { identity })
    }

    fn question(&self, more: Value) -> Value {
        let mut question = self.identity.clone();
        if let (Value::Object(question), Value::Object(more)) = (&mut question, more) {
            question.extend(more);
        }
        question
    }

    /// Announces a part; returns the request that puts it, for a body of `size` bytes.
    pub(crate) async fn announce(
        &self,
        connection: &mut Connection,
        part: usize,
        size: usize,
        md5: &str,
    ) -> Result<hyper::http::request::Builder, Failure> {
        let question = self.question(json!({ "part": part, "size": size, "md5": md5 }));
        let place = connection.post_json("/multipart/upload", &question).await?;
        let url = place["url"].as_str().ok_or("no url")?;
        let mut request = connection.request(Method::PUT, url)?.header(header::CONTENT_LENGTH, size);
        for (name, value) in place["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        Ok(request)
    }

    /// Puts a part; returns it as `complete` lists it.
    pub(crate) async fn put(
        connection: &mut Connection,
        part: usize,
        request: Request<Body>,
    ) -> Result<Value, Failure> {
        let response = connection.expect_success(request).await?;
        Ok(json!({ "part_number": part, "etag": header_of(&response, "etag")? }))
    }

    /// Puts the parts together; the answer must know all bytes.
    pub(crate) async fn complete(
        &self,
        connection: &mut Connection,
        parts: Vec<Value>,
        size: usize,
    ) -> Result<(), Failure> {
        let question = self.question(json!({ "size": size, "parts": parts }));
        let file = connection.post_json("/multipart/complete", &question).await?;
        if file["size"] == size && file["handle"].is_string() { Ok(()) } else { Err(format!("stored: {file}").into()) }
    }
}
