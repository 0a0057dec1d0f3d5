//! A keep-alive connection with one request at a time.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, Uri,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::Failure;

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, Failure>;

/// A body in memory.
pub(crate) fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A connection to a server.
pub(crate) struct Connection {
    address: String,
    sender: SendRequest<Body>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { address: address.to_owned(), sender })
    }

    /// A request for the path and query of `url`, to this server.
    pub(crate) fn request(&self, method: Method, url: &str) -> Result<hyper::http::request::Builder, Failure> {
        let url: Uri = url.parse()?;
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        Ok(Request::builder().method(method).uri(target).header(header::HOST, &self.address))
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Result<Response<Bytes>, Failure> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }

    /// Sends a request that must succeed.
    pub(crate) async fn expect_success(&mut self, request: Request<Body>) -> Result<Response<Bytes>, Failure> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let text = String::from_utf8_lossy(response.body());
        Err(format!("{method} {path} answers {}: {text}", response.status()).into())
    }

    /// Posts JSON and reads JSON.
    pub(crate) async fn post_json(&mut self, path: &str, content: &Value) -> Result<Value, Failure> {
        let request = self.request(Method::POST, path)?.header(header::CONTENT_TYPE, "application/json");
        let response = self.expect_success(request.body(full(content.to_string()))?).await?;
        Ok(serde_json::from_slice(response.body())?)
    }
}

/// A header of an answer that must be there.
pub(crate) fn header_of(response: &Response<Bytes>, name: &str) -> Result<String, Failure> {
    let value = response.headers().get(name).ok_or_else(|| format!("the answer has no {name}"))?;
    Ok(value.to_str()?.to_owned())
}
