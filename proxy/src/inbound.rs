//! What connections from elsewhere go through on their way to the pod's application: peers of the
//! mesh prove who they are; all others are served as they come, or refused, as the workload's
//! policy says.

mod announced;
mod opaque;
mod request;
mod silent;
mod strict;
mod visitor;

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use http::Request;
use hyper::body::Incoming;
use model::{
    inbound::{Inbound, MtlsMode},
    key::Key,
    resource::Resource,
    service::Protocol,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
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
///
/// How it begins is boxed, and so is what follows: most connections spend their time at rest, and
/// are to hold no more than that needs.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream) {
    let follows = Box::pin(begun(worker, stream)).await;
    if let Some(follows) = follows {
        follows.await;
    }
}

/// What a connection comes to; nothing if it has ended already.
async fn begun(worker: Rc<Worker>, stream: TcpStream) -> Option<Local<()>> {
    let arrived = match arrive(&worker, &stream) {
        Ok(arrived) => arrived,
        Err(event) => return refused(&worker, &Stream::Plain(Prefixed::new(stream)), event),
    };
    let stream = Prefixed::new(stream);
    let Some(policy) = policy(&worker) else {
        // Who may come in is not known yet, so nobody may.
        return refused(&worker, &Stream::Plain(stream), Event::RefusedUndiscovered);
    };
    match policy.mtls {
        MtlsMode::Strict => from_peer(&worker, arrived, stream).await,
        MtlsMode::Permissive if announced::is_expected(&worker, arrived) => {
            from_balancer(worker, arrived, policy, stream).await
        }
        MtlsMode::Permissive => from_anyone(worker, arrived, policy, stream).await,
    }
}

/// Takes peers of the mesh and nobody else.
async fn from_peer(
    worker: &Rc<Worker>,
    arrived: Arrived,
    mut stream: Prefixed,
) -> Option<Local<()>> {
    // A peer of the mesh speaks first, and at once.
    match listen(&mut stream, FIRST_HELLO, worker.plane.settings.head_limit).await {
        Ok(Heard::Spoken(spoken)) => heed(worker, arrived, stream, &spoken, None).await,
        Ok(Heard::Unended | Heard::Silence) => {
            refused(worker, &Stream::Plain(stream), Event::RefusedPlain)
        }
        Ok(Heard::Closed) | Err(_) => None,
    }
}

/// Takes load balancers that say whose connections they pass on, and peers of the mesh.
async fn from_balancer(
    worker: Rc<Worker>,
    arrived: Arrived,
    policy: Arc<Inbound>,
    mut stream: Prefixed,
) -> Option<Local<()>> {
    match announced::read(&worker, arrived, &mut stream).await {
        Announced::By(arrived) => from_anyone(worker, arrived, policy, stream).await,
        Announced::Handshake => from_peer(&worker, arrived, stream).await,
        Announced::Malformed => refused(&worker, &Stream::Plain(stream), Event::RefusedHeader),
        Announced::Closed => None,
    }
}

/// Takes whoever comes, as they come. If the workload becomes strict before anyone spoke, only a
/// peer of the mesh still may.
async fn from_anyone(
    worker: Rc<Worker>,
    arrived: Arrived,
    policy: Arc<Inbound>,
    mut stream: Prefixed,
) -> Option<Local<()>> {
    let (place, speaks) = (Place::Port(arrived.original.port()), speaks(&policy, arrived));
    let is_known = worker.server_first.has(&place);
    let habit = if is_known { Habit::ServerFirst } else { Habit::Unknown };
    let port = Port { speaks, habit };
    let limit = worker.plane.settings.head_limit;
    // Boxed: it is large, and gone when the conversation has begun.
    let dial = silent::dial(&worker, arrived, &policy, port);
    let begun = tokio::select! {
        biased;
        () = strict::turned(&worker) => None,
        begun = Box::pin(begin(&mut stream, port, limit, dial)) => Some(begun),
    };
    let Some(begun) = begun else { return from_peer(&worker, arrived, stream).await };
    match begun.lesson {
        Some(Habit::ServerFirst) => worker.server_first.learn(place),
        Some(Habit::Unknown) => worker.server_first.forget(&place),
        None => {}
    }
    match begun.next {
        Next::Heed(spoken) => heed(&worker, arrived, stream, &spoken, opened(begun.server)).await,
        Next::Carry => Some(Box::pin(async move {
            let (server, said) = (opened(begun.server), begun.said);
            silent::carry(&worker, arrived, &policy, stream, server, &said).await;
        })),
        Next::Refuse => {
            silent::turn_away(stream, begun.server);
            None
        }
        Next::Close | Next::Wait(_) => None,
    }
}

fn opened(dialled: Option<silent::Dialled>) -> Option<(Stream, Rc<Visitor>)> {
    dialled.and_then(Result::ok)
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

/// Says how a client that has spoken is served. The policy may be another by now: a client may take
/// its time.
async fn heed(
    worker: &Rc<Worker>,
    arrived: Arrived,
    stream: Prefixed,
    spoken: &Spoken,
    server: Option<(Stream, Rc<Visitor>)>,
) -> Option<Local<()>> {
    let Some(policy) = policy(worker) else {
        return refused(worker, &Stream::Plain(stream), Event::RefusedUndiscovered);
    };
    match spoken {
        Spoken::Tls(hello) if tls::is_of_the_mesh(hello) => {
            // Whatever was opened ahead was for another kind of client.
            drop(server);
            welcome(worker, arrived, &policy, stream).await
        }
        _ if policy.mtls == MtlsMode::Strict => {
            refused(worker, &Stream::Plain(stream), Event::RefusedPlain)
        }
        spoken => {
            let visitor = Visitor::new(worker, arrived, &policy, None);
            let server = server.map(|(server, _)| server);
            Some(serve_plain(visitor, stream, spoken, server))
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

fn policy(worker: &Worker) -> Option<Arc<Inbound>> {
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

/// Nothing follows.
fn refused(worker: &Worker, stream: &Stream, event: Event) -> Option<Local<()>> {
    refuse(worker, stream, event);
    None
}

/// Shakes hands with a peer of the mesh.
async fn welcome(
    worker: &Rc<Worker>,
    arrived: Arrived,
    policy: &Inbound,
    stream: Prefixed,
) -> Option<Local<()>> {
    let (stream, carries, proven) = match worker.plane.tls.accept(stream).await {
        Ok(accepted) => accepted,
        Err(error) if error.is_given_up() => {
            debug!(client = %arrived.client, %error, "a peer gave its handshake up");
            return None;
        }
        Err(error) => {
            worker.count(Event::RefusedHandshake);
            let source = std::error::Error::source(&error);
            debug!(client = %arrived.client, %error, ?source, "a peer was refused");
            return None;
        }
    };
    let visitor = Visitor::new(worker, arrived, policy, Some(proven));
    serve_peer(visitor, stream, carries)
}

fn serve_peer(
    visitor: Rc<Visitor>,
    stream: Box<TlsStream<Prefixed>>,
    carries: Carries,
) -> Option<Local<()>> {
    let plane = &visitor.worker.plane;
    // A peer that asks over HTTP/1 may do so because of the names of headers.
    let reading = Reading { keeps_case: true, ..reading(&visitor.worker) };
    let served: Local<_> = match carries {
        Carries::Http2 => {
            let socket = stream.get_ref().0.inner();
            tcp::give_up_after(socket, tcp::REQUESTS_UNANSWERED).ok()?;
            let leaving = Box::pin(drained(plane.drain.changed()));
            Box::pin(serve_http2(stream, handler(visitor), leaving))
        }
        Carries::Http1 => Box::pin(serve_http1(stream, handler(visitor), reading, never())),
        Carries::Bytes => return Some(carry(visitor, Stream::Tls(stream), None)),
    };
    Some(Box::pin(async move {
        if let Err(error) = served.await {
            debug!(%error, "a peer's connection ended early");
        }
    }))
}

fn serve_plain(
    visitor: Rc<Visitor>,
    stream: Prefixed,
    spoken: &Spoken,
    server: Option<Stream>,
) -> Local<()> {
    let stream = Stream::Plain(stream);
    let overdue = strict::overdue(&visitor);
    let served: Local<_> = match spoken {
        _ if visitor.is_opaque => return carry(visitor, stream, server),
        Spoken::Http1 => serve_plain_http1(visitor, stream),
        Spoken::Http2 => serve_plain_http2(visitor, stream),
        Spoken::Tls(_) | Spoken::Opaque => return carry(visitor, stream, server),
    };
    Box::pin(async move {
        let served = tokio::select! {
            biased;
            () = overdue => return debug!("a plain connection was cut: the workload is strict now"),
            served = served => served,
        };
        if let Err(error) = served {
            debug!(%error, "a plain connection ended early");
        }
    })
}

fn carry(visitor: Rc<Visitor>, client: Stream, server: Option<Stream>) -> Local<()> {
    Box::pin(async move { opaque::carry(&visitor, client, server).await })
}

fn serve_plain_http1(visitor: Rc<Visitor>, stream: Stream) -> Local<hyper::Result<()>> {
    let worker = Rc::clone(&visitor.worker);
    let reading = reading(&worker);
    let leaving = Box::pin(async move { strict::turned(&worker).await });
    Box::pin(serve_http1(stream, handler(visitor), reading, leaving))
}

fn reading(worker: &Worker) -> Reading {
    let settings = &worker.plane.settings;
    Reading { limit: settings.head_limit, keeps_case: settings.keeps_case }
}

fn serve_plain_http2(visitor: Rc<Visitor>, stream: Stream) -> Local<hyper::Result<()>> {
    let worker = Rc::clone(&visitor.worker);
    let leaving = Box::pin(async move {
        tokio::select! {
            () = drained(worker.plane.drain.changed()) => {}
            () = strict::turned(&worker) => {}
        }
    });
    Box::pin(serve_http2(stream, handler(visitor), leaving))
}

fn handler(visitor: Rc<Visitor>) -> Handler {
    Rc::new(move |request: Request<Incoming>, in_request: Option<InRequest>| -> Local<_> {
        request::handle(Rc::clone(&visitor), request, in_request)
    })
}
