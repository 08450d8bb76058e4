//! What connections from elsewhere go through on their way to the pod's application: peers of the
//! mesh prove who they are; all others are served as they come, or refused, as the workload's
//! policy says.

mod announced;
mod opaque;
mod request;
mod silent;
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

use self::{announced::Announced, visitor::Visitor};
use crate::{
    detect::{
        Spoken,
        opening::{Habit, Next, Port, Speaks},
    },
    discovery::Answer,
    http::{
        Local,
        head_timer::InRequest,
        serve::{Handler, Reading, drained, never, serve_http1, serve_http2},
    },
    metrics::Event,
    tcp::{
        self,
        opening::{FIRST_HELLO, Heard, begin, listen},
        stream::{Prefixed, Stream},
    },
    tls::{self, Carries},
    worker::{Place, Worker},
};

/// Serves one connection from elsewhere, to its end.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream) {
    let arrived = match arrive(&worker, &stream) {
        Ok(arrived) => arrived,
        Err(event) => return refuse(&worker, &Stream::Plain(Prefixed::new(stream)), event),
    };
    let stream = Prefixed::new(stream);
    let Some(policy) = policy(&worker) else {
        // Who may come in is not known yet, so nobody may.
        return refuse(&worker, &Stream::Plain(stream), Event::RefusedUndiscovered);
    };
    match policy.mtls {
        MtlsMode::Strict => serve_strict(&worker, arrived, stream).await,
        MtlsMode::Permissive if announced::is_expected(&worker, arrived) => {
            serve_announced(&worker, arrived, &policy, stream).await;
        }
        MtlsMode::Permissive => serve_permissive(&worker, arrived, &policy, stream).await,
    }
}

/// Serves peers of the mesh and nobody else.
async fn serve_strict(worker: &Rc<Worker>, arrived: Arrived, mut stream: Prefixed) {
    // A peer of the mesh speaks first, and at once.
    match listen(&mut stream, FIRST_HELLO).await {
        Ok(Heard::Spoken(spoken)) => heed(worker, arrived, stream, &spoken, None).await,
        Ok(Heard::Silence) => refuse(worker, &Stream::Plain(stream), Event::RefusedPlain),
        Ok(Heard::Closed) | Err(_) => {}
    }
}

/// Serves load balancers that say whose connections they pass on, and peers of the mesh.
async fn serve_announced(
    worker: &Rc<Worker>,
    arrived: Arrived,
    policy: &Inbound,
    mut stream: Prefixed,
) {
    match announced::read(worker, arrived, &mut stream).await {
        Announced::By(arrived) => serve_permissive(worker, arrived, policy, stream).await,
        Announced::Handshake => serve_strict(worker, arrived, stream).await,
        Announced::Malformed => refuse(worker, &Stream::Plain(stream), Event::RefusedHeader),
        Announced::Closed => {}
    }
}

/// Serves whoever comes, as they come. If the workload becomes strict before anyone spoke, only a
/// peer of the mesh still may.
async fn serve_permissive(
    worker: &Rc<Worker>,
    arrived: Arrived,
    policy: &Inbound,
    mut stream: Prefixed,
) {
    let (place, speaks) = (Place::Port(arrived.original.port()), speaks(policy, arrived));
    let is_known = worker.server_first.has(&place);
    let habit = if is_known { Habit::ServerFirst } else { Habit::Unknown };
    let port = Port { speaks, habit };
    // Boxed: it is large, and gone when the conversation has begun.
    let dial = silent::dial(worker, arrived, policy, port);
    let begun = tokio::select! {
        biased;
        () = strict::turned(worker) => None,
        begun = Box::pin(begin(&mut stream, port, dial)) => Some(begun),
    };
    let Some(begun) = begun else { return serve_strict(worker, arrived, stream).await };
    match begun.lesson {
        Some(Habit::ServerFirst) => worker.server_first.learn(place),
        Some(Habit::Unknown) => worker.server_first.forget(&place),
        None => {}
    }
    match begun.next {
        Next::Heed(spoken) => heed(worker, arrived, stream, &spoken, begun.server).await,
        Next::Carry => silent::carry(worker, arrived, policy, stream, begun).await,
        Next::Refuse => Stream::Plain(stream).reset(),
        Next::Close | Next::Wait(_) => {}
    }
}

/// What may be spoken at the port that somebody came to.
fn speaks(policy: &Inbound, arrived: Arrived) -> Speaks {
    let port = policy.ports.get(&arrived.original.port());
    match port.map(|port| port.protocol).unwrap_or_default() {
        Protocol::Detect => Speaks::Anything,
        Protocol::Http | Protocol::Http2 => Speaks::Requests,
        Protocol::Tcp => Speaks::Bytes,
    }
}

/// Serves a client that has spoken. The policy may be another by now: a client may take its time.
async fn heed(
    worker: &Rc<Worker>,
    arrived: Arrived,
    stream: Prefixed,
    spoken: &Spoken,
    server: Option<(Stream, Rc<Visitor>)>,
) {
    let Some(policy) = policy(worker) else {
        return refuse(worker, &Stream::Plain(stream), Event::RefusedUndiscovered);
    };
    match spoken {
        Spoken::Tls(hello) if tls::is_of_the_mesh(hello) => {
            // Whatever was opened ahead was for another kind of client.
            drop(server);
            serve_peer(worker, arrived, &policy, stream).await;
        }
        _ if policy.mtls == MtlsMode::Strict => {
            refuse(worker, &Stream::Plain(stream), Event::RefusedPlain);
        }
        spoken => {
            let visitor = Visitor::new(worker, arrived, &policy, None);
            let server = server.map(|(server, _)| server);
            serve_plain(visitor, stream, spoken, server).await;
        }
    }
}

/// Who came, and where to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    /// Who sends on this connection.
    pub(crate) sender: SocketAddr,
    /// For whom: the sender, unless that is a load balancer that says otherwise.
    pub(crate) client: SocketAddr,
    /// Whether the sender is a load balancer that was heard.
    pub(crate) is_passed_on: bool,
    pub(crate) original: SocketAddr,
}

fn arrive(worker: &Worker, stream: &TcpStream) -> Result<Arrived, Event> {
    let settings = &worker.plane.settings;
    let original = settings.inbound.original.of(stream).map_err(|_error| Event::RefusedForeign)?;
    let sender = stream.peer_addr().map_err(|_error| Event::RefusedForeign)?;
    let sender = SocketAddr::new(sender.ip().to_canonical(), sender.port());
    let (client, is_passed_on) = (sender, false);
    let ours = &settings.own_addresses;
    let is_ours = ours.is_empty() || original.ip().is_loopback() || ours.contains(&original.ip());
    let arrived = Arrived { sender, client, is_passed_on, original };
    if is_ours { Ok(arrived) } else { Err(Event::RefusedForeign) }
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
        Err(error) if error.is_given_up() => {
            return debug!(client = %arrived.client, %error, "a peer gave its handshake up");
        }
        Err(error) => {
            worker.count(Event::RefusedHandshake);
            let source = std::error::Error::source(&error);
            return debug!(client = %arrived.client, %error, ?source, "a peer was refused");
        }
    };
    let visitor = Visitor::new(worker, arrived, policy, Some(proven));
    let leaving = Box::pin(drained(worker.plane.drain.changed()));
    // A peer that asks over HTTP/1 may do so because of the names of headers.
    let reading = Reading { keeps_case: true, ..reading(worker) };
    let served = match carries {
        Carries::Http2 => {
            let socket = stream.get_ref().0.inner();
            if tcp::give_up_after(socket, tcp::REQUESTS_UNANSWERED).is_err() {
                return;
            }
            serve_http2(stream, handler(visitor), leaving).await
        }
        Carries::Http1 => serve_http1(stream, handler(visitor), reading, never()).await,
        Carries::Bytes => return opaque::carry(&visitor, Stream::Tls(stream), None).await,
    };
    if let Err(error) = served {
        debug!(%error, "a peer's connection ended early");
    }
}

async fn serve_plain(
    visitor: Rc<Visitor>,
    stream: Prefixed,
    spoken: &Spoken,
    server: Option<Stream>,
) {
    let stream = Stream::Plain(stream);
    let overdue = strict::overdue(&visitor);
    let served: Local<_> = match spoken {
        _ if visitor.is_opaque => return opaque::carry(&visitor, stream, server).await,
        Spoken::Http1 => Box::pin(serve_plain_http1(visitor, stream)),
        Spoken::Http2 => Box::pin(serve_plain_http2(visitor, stream)),
        Spoken::Tls(_) | Spoken::Opaque => return opaque::carry(&visitor, stream, server).await,
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
    let reading = reading(&worker);
    let leaving = Box::pin(async move { strict::turned(&worker).await });
    serve_http1(stream, handler(visitor), reading, leaving).await
}

fn reading(worker: &Worker) -> Reading {
    let settings = &worker.plane.settings;
    Reading { limit: settings.head_limit, keeps_case: settings.keeps_case }
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

fn handler(visitor: Rc<Visitor>) -> Handler {
    Rc::new(move |request: Request<Incoming>, in_request: Option<InRequest>| -> Local<_> {
        request::handle(Rc::clone(&visitor), request, in_request)
    })
}
