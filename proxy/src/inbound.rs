//! What connections from elsewhere go through on their way to the pod's application: peers of the
//! mesh prove who they are; all others are served as they come, or refused, as the workload's
//! policy says.

mod opaque;
mod request;
mod strict;
mod visitor;

use std::{net::SocketAddr, rc::Rc};

use http::Request;
use hyper::body::Incoming;
use model::{
    inbound::{Inbound, MtlsMode},
    key::Key,
    resource::Resource,
    service::Protocol,
};
use tokio::net::TcpStream;
use tracing::debug;

use self::visitor::Visitor;
use crate::{
    detect::Spoken,
    discovery::Answer,
    http::{
        Local,
        head_timer::InRequest,
        serve::{Handler, drained, never, serve_http1, serve_http2},
    },
    metrics::Event,
    tcp::{
        self,
        opening::{FIRST_HELLO, FIRST_REQUEST, FIRST_WORD, Heard, listen},
        stream::{Prefixed, Stream},
    },
    tls::{self, Carries},
    worker::Worker,
};

/// Serves one connection from elsewhere, to its end.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream) {
    let arrived = match arrive(&worker, &stream) {
        Ok(arrived) => arrived,
        Err(event) => return refuse(&worker, &Stream::Plain(Prefixed::new(stream)), event),
    };
    let mut stream = Prefixed::new(stream);
    let Some(policy) = policy(&worker) else {
        // Who may come in is not known yet, so nobody may.
        return refuse(&worker, &Stream::Plain(stream), Event::RefusedUndiscovered);
    };
    let protocol = policy.ports.get(&arrived.original.port()).map(|port| port.protocol);
    let patience = match (policy.mtls, protocol.unwrap_or_default()) {
        // A peer of the mesh speaks first, and at once.
        (MtlsMode::Strict, _) => FIRST_HELLO,
        (MtlsMode::Permissive, Protocol::Http | Protocol::Http2) => FIRST_REQUEST,
        (MtlsMode::Permissive, Protocol::Detect | Protocol::Tcp) => FIRST_WORD,
    };
    let heard = listen(&mut stream, patience).await;
    // It may be another by now: a client may take its time.
    let Some(policy) = self::policy(&worker) else {
        return refuse(&worker, &Stream::Plain(stream), Event::RefusedUndiscovered);
    };
    match heard {
        Ok(Heard::Spoken(Spoken::Tls(hello))) if tls::is_of_the_mesh(&hello) => {
            serve_peer(&worker, arrived, &policy, stream).await;
        }
        Ok(Heard::Spoken(_) | Heard::Silence) if policy.mtls == MtlsMode::Strict => {
            refuse(&worker, &Stream::Plain(stream), Event::RefusedPlain);
        }
        Ok(Heard::Spoken(spoken)) => {
            let visitor = Visitor::new(&worker, arrived, &policy, None);
            serve_plain(visitor, stream, &spoken).await;
        }
        Ok(Heard::Silence) => {
            serve_silent(&worker, arrived, &policy, stream).await;
        }
        Ok(Heard::Closed) | Err(_) => {}
    }
}

/// Who came, and where to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) client: SocketAddr,
    pub(crate) original: SocketAddr,
}

fn arrive(worker: &Worker, stream: &TcpStream) -> Result<Arrived, Event> {
    let settings = &worker.plane.settings;
    let original = settings.inbound.original.of(stream).map_err(|_error| Event::RefusedForeign)?;
    let client = stream.peer_addr().map_err(|_error| Event::RefusedForeign)?;
    let client = SocketAddr::new(client.ip().to_canonical(), client.port());
    let ours = &settings.own_addresses;
    let is_ours = ours.is_empty() || original.ip().is_loopback() || ours.contains(&original.ip());
    if is_ours { Ok(Arrived { client, original }) } else { Err(Event::RefusedForeign) }
}

fn policy(worker: &Worker) -> Option<std::sync::Arc<Inbound>> {
    match worker.plane.discovery.current(&Key::Inbound) {
        Some(Answer::Found(Resource::Inbound(inbound))) => Some(inbound),
        Some(_) | None => None,
    }
}

fn refuse(worker: &Worker, stream: &Stream, event: Event) {
    worker.count(event);
    debug!(reason = event.label(), "inbound connection refused");
    stream.reset();
}

async fn serve_peer(worker: &Rc<Worker>, arrived: Arrived, policy: &Inbound, stream: Prefixed) {
    let (stream, carries, proven) = match worker.plane.tls.accept(stream).await {
        Ok(accepted) => accepted,
        Err(error) => {
            worker.count(Event::RefusedHandshake);
            let source = std::error::Error::source(&error);
            return debug!(client = %arrived.client, %error, ?source, "a peer was refused");
        }
    };
    let visitor = Visitor::new(worker, arrived, policy, Some(proven));
    let leaving = Box::pin(drained(worker.plane.drain.changed()));
    let head_limit = worker.plane.settings.head_limit;
    let served = match carries {
        Carries::Http2 => {
            let socket = stream.get_ref().0.inner();
            if tcp::give_up_after(socket, tcp::REQUESTS_UNANSWERED).is_err() {
                return;
            }
            serve_http2(stream, handler(visitor), leaving).await
        }
        Carries::Http1 => serve_http1(stream, handler(visitor), head_limit, never()).await,
        Carries::Bytes => return opaque::carry(&visitor, Stream::Tls(stream)).await,
    };
    if let Err(error) = served {
        debug!(%error, "a peer's connection ended early");
    }
}

async fn serve_plain(visitor: Rc<Visitor>, stream: Prefixed, spoken: &Spoken) {
    let stream = Stream::Plain(stream);
    let overdue = strict::overdue(&visitor);
    let served: Local<_> = match spoken {
        _ if visitor.is_opaque => return opaque::carry(&visitor, stream).await,
        Spoken::Http1 => Box::pin(serve_plain_http1(visitor, stream)),
        Spoken::Http2 => Box::pin(serve_plain_http2(visitor, stream)),
        Spoken::Tls(_) | Spoken::Opaque => return opaque::carry(&visitor, stream).await,
    };
    let served = tokio::select! {
        biased;
        () = overdue => return debug!("a plain connection was cut: the workload is strict now"),
        served = served => served,
    };
    if let Err(error) = served {
        debug!(%error, "a plain connection ended early");
    }
}

async fn serve_plain_http1(visitor: Rc<Visitor>, stream: Stream) -> hyper::Result<()> {
    let worker = Rc::clone(&visitor.worker);
    let head_limit = worker.plane.settings.head_limit;
    let leaving = Box::pin(async move { strict::turned(&worker).await });
    serve_http1(stream, handler(visitor), head_limit, leaving).await
}

async fn serve_plain_http2(visitor: Rc<Visitor>, stream: Stream) -> hyper::Result<()> {
    let worker = Rc::clone(&visitor.worker);
    let leaving = Box::pin(async move {
        tokio::select! {
            () = drained(worker.plane.drain.changed()) => {}
            () = strict::turned(&worker) => {}
        }
    });
    serve_http2(stream, handler(visitor), leaving).await
}

async fn serve_silent(worker: &Rc<Worker>, arrived: Arrived, policy: &Inbound, stream: Prefixed) {
    let visitor = Visitor::new(worker, arrived, policy, None);
    match opaque::first_to_speak(&visitor, stream).await {
        // A peer of the mesh that was slow to begin.
        Some((stream, Spoken::Tls(hello))) if tls::is_of_the_mesh(&hello) => {
            serve_peer(worker, arrived, policy, stream).await;
        }
        Some((stream, spoken)) => serve_plain(visitor, stream, &spoken).await,
        None => {}
    }
}

fn handler(visitor: Rc<Visitor>) -> Handler {
    Rc::new(move |request: Request<Incoming>, in_request: Option<InRequest>| -> Local<_> {
        Box::pin(request::handle(Rc::clone(&visitor), request, in_request))
    })
}
