//! A server of HTTP/1 and HTTP/2 that answers each request with its own method and path, once it
//! has read all of it. It never reads what is sent to `/unread`.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, task::AbortHandle};

use crate::tasks::spawn;

/// The server, until it is dropped.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    whole: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let whole = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&whole);
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let whole = Arc::clone(&shared);
                spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&whole), request));
                    let server = auto::Builder::new(TokioExecutor::new());
                    // However it ends, it ends.
                    drop(server.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { address, whole, task: task.abort_handle() }
    }

    /// Method and path of each request that came to its end.
    pub(crate) fn whole(&self) -> Vec<String> {
        self.whole.lock().unwrap().clone()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    whole: Arc<Mutex<Vec<String>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/unread" {
        return std::future::pending().await;
    }
    let words = format!("{} {}", request.method(), request.uri().path());
    let mut response = Response::new(Full::new(Bytes::from(words.clone())));
    match request.into_body().collect().await {
        Ok(_) => whole.lock().unwrap().push(words),
        Err(_cut) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}
