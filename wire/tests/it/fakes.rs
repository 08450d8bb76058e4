//! Services that do what a test says, and an in-memory connection to them.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures::StreamExt;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wire::{
    Encoded,
    message::{FromControl, FromReplica, SignRequest, SignResponse, ToControl, ToReplica},
    server::{Discovery, Identity, Incoming, Interrupted, Operations, Outgoing, Peer, Refusal},
};

/// What one stream is answered with.
type Once<M> = Mutex<Option<mpsc::Receiver<Result<M, Refusal>>>>;

/// Writes down everything that arrives and answers with what the test put in.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) pushes: Once<FromControl<Encoded>>,
    pub(crate) states: Once<FromReplica>,
    pub(crate) heard: mpsc::Sender<Heard>,
    pub(crate) answer: SignResponse,
}

/// What a service heard.
#[derive(Debug)]
pub(crate) enum Heard {
    Proxy(Result<ToControl, Interrupted>),
    Operator(Result<ToReplica, Interrupted>),
    Sign(Peer, SignRequest),
}

impl Discovery for Fake {
    async fn connect(
        &self,
        _peer: Peer,
        mut incoming: Incoming<ToControl>,
    ) -> Result<Outgoing<FromControl<Encoded>>, Refusal> {
        let pushes = self.pushes.lock().unwrap().take();
        let pushes = pushes.ok_or_else(|| Refusal::Exhausted("one at a time".into()))?;
        let heard = self.heard.clone();
        drop(tokio::task::spawn(async move {
            while let Some(message) = incoming.next().await {
                heard.send(Heard::Proxy(message)).await.unwrap();
            }
        }));
        Ok(Box::pin(ReceiverStream::new(pushes)))
    }
}

impl Identity for Fake {
    async fn sign(&self, peer: Peer, request: SignRequest) -> Result<SignResponse, Refusal> {
        self.heard.send(Heard::Sign(peer, request)).await.unwrap();
        Ok(self.answer.clone())
    }
}

impl Operations for Fake {
    async fn watch(
        &self,
        _peer: Peer,
        mut incoming: Incoming<ToReplica>,
    ) -> Result<Outgoing<FromReplica>, Refusal> {
        let states = self.states.lock().unwrap().take();
        let states = states.ok_or_else(|| Refusal::Exhausted("one at a time".into()))?;
        let heard = self.heard.clone();
        drop(tokio::task::spawn(async move {
            while let Some(message) = incoming.next().await {
                heard.send(Heard::Operator(message)).await.unwrap();
            }
        }));
        Ok(Box::pin(ReceiverStream::new(states)))
    }
}

/// A transport over an HTTP/2 connection in memory.
#[derive(Clone)]
pub(crate) struct Wire(hyper::client::conn::http2::SendRequest<tonic::body::Body>);

impl Wire {
    pub(crate) async fn to(fake: Arc<Fake>, peer: Peer) -> Self {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let routes = wire::server::routes(fake.clone(), fake.clone(), fake);
        let routes = tower::util::MapRequest::new(
            routes,
            move |mut request: http::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(peer.clone());
                request
            },
        );
        let executor = hyper_util::rt::TokioExecutor::new();
        drop(tokio::task::spawn(
            hyper::server::conn::http2::Builder::new(executor.clone())
                .serve_connection(TokioIo::new(far), TowerToHyperService::new(routes)),
        ));
        let (sender, connection) =
            hyper::client::conn::http2::handshake(executor, TokioIo::new(near)).await.unwrap();
        drop(tokio::task::spawn(connection));
        Self(sender)
    }
}

impl tower::Service<http::Request<tonic::body::Body>> for Wire {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<tonic::body::Body>) -> Self::Future {
        let uri = format!("http://control{}", request.uri());
        *request.uri_mut() = uri.parse().unwrap();
        Box::pin(self.0.send_request(request))
    }
}
