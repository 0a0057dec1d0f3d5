//! What doubles of providers share: an HTTP server on a free loopback port, in this process.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

pub(crate) type Answer = Response<Full<Bytes>>;

/// The server; dropping it closes the port and every connection.
pub(crate) struct Double {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Double {
    pub(crate) async fn start<Respond, Answering>(respond: Respond) -> Self
    where
        Respond: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free loopback port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let accepting = tokio::spawn(accept(listener, respond));
        Self { address, accepting }
    }

    /// `http://127.0.0.1:PORT` followed by `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts for ever; the connections live in the set and end with this future.
async fn accept<Respond, Answering>(listener: TcpListener, respond: Respond)
where
    Respond: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
    Answering: Future<Output = Answer> + Send + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        // Without it small answers wait for the client's delayed acknowledgement, about 40 ms each.
        let _ = socket.set_nodelay(true);
        let respond = respond.clone();
        connections.spawn(async move {
            let service = service_fn(|request| {
                let answering = respond(request);
                async move { Ok::<_, Infallible>(answering.await) }
            });
            let _ = auto::Builder::new(TokioExecutor::new())
                .http1_only()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An answer without a body.
pub(crate) fn answer(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// An answer with a JSON body.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer
}
