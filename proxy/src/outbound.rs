//! What the pod's own connections go through: find out what is at the address, hear what is spoken,
//! and carry requests or bytes to an endpoint of the service.

pub mod directory;
mod opaque;
mod request;
mod resolve;
pub mod view;

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use http::Request;
use hyper::body::Incoming;
use model::service::Protocol;
use tokio::net::TcpStream;
use tracing::debug;

use self::{
    opaque::{Dialled, Missed},
    resolve::Target,
    view::View,
};
use crate::{
    detect::{
        Spoken,
        opening::{Habit, Next, Port, Speaks},
    },
    http::{
        Local,
        head_timer::InRequest,
        serve::{Handler, Reading, never, serve_http1, serve_http2},
    },
    metrics::Event,
    tcp::{
        opening::begin,
        stream::{Prefixed, Stream},
    },
    worker::{Place, Worker},
};

/// A connection of the pod's to something that the mesh knows.
#[derive(Debug)]
pub struct Caller {
    worker: Rc<Worker>,
    client: Option<SocketAddr>,
    original: SocketAddr,
    view: RefCell<Rc<View>>,
}

/// Serves one connection of the pod's, to its end.
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
    let original = match worker.plane.settings.outbound.original.of(&stream) {
        Ok(original) => original,
        Err(error) => {
            worker.count(Event::RefusedForeign);
            debug!(%error, "outbound connection refused");
            return None;
        }
    };
    let client = stream.peer_addr().ok();
    let stream = Prefixed::new(stream);
    match resolve::resolve(&worker, original).await {
        Target::View(view) => {
            let view = RefCell::new(view);
            let caller = Rc::new(Caller { worker, client, original, view });
            heard(caller, stream).await
        }
        Target::Elsewhere => {
            Some(Box::pin(async move { opaque::pass(&worker, stream, original).await }))
        }
        Target::Refused(event) => {
            worker.count(event);
            debug!(%original, reason = event.label(), "outbound connection refused");
            Stream::Plain(stream).reset();
            None
        }
    }
}

impl Caller {
    /// What is known of the destination now.
    fn view(&self) -> Rc<View> {
        let mut view = self.view.borrow_mut();
        if let Some(newer) = self.worker.directory.newer(&self.worker, &view) {
            *view = newer;
        }
        view.touch();
        Rc::clone(&view)
    }
}

/// Hears what is spoken, and says what follows from it.
async fn heard(caller: Rc<Caller>, mut stream: Prefixed) -> Option<Local<()>> {
    let view = caller.view();
    let Some(speaks) = speaks(&view) else { return Some(carry(caller, stream, None)) };
    let (habits, place) = (&caller.worker.server_first, place(&view));
    let is_known = place.as_ref().is_some_and(|place| habits.has(place));
    let habit = if is_known { Habit::ServerFirst } else { Habit::Unknown };
    let port = Port { speaks, habit };
    let limit = caller.worker.plane.settings.head_limit;
    let begun = begin(&mut stream, port, limit, opaque::dial_unasked(&caller, port)).await;
    match (begun.lesson, place) {
        (Some(Habit::ServerFirst), Some(place)) => habits.learn(place),
        (Some(Habit::Unknown), Some(place)) => habits.forget(&place),
        (_, None) | (None, _) => {}
    }
    match begun.next {
        Next::Heed(spoken) => Some(speak(caller, stream, &spoken, opened(begun.server))),
        Next::Carry => Some(Box::pin(async move {
            opaque::carry_on(&caller, stream, opened(begun.server), &begun.said).await;
        })),
        Next::Refuse => {
            opaque::refuse(&caller, stream, begun.server);
            None
        }
        Next::Close | Next::Wait(_) => None,
    }
}

fn opened(dialled: Option<Result<(Stream, Dialled), Missed>>) -> Option<(Stream, Dialled)> {
    dialled.and_then(Result::ok)
}

/// What may be spoken at a service; nothing if it is not listened to.
fn speaks(view: &View) -> Option<Speaks> {
    match view.service.protocol {
        Protocol::Tcp => None,
        Protocol::Http | Protocol::Http2 => Some(Speaks::Requests),
        Protocol::Detect if !view.service.routes.is_empty() => Some(Speaks::Requests),
        Protocol::Detect => Some(Speaks::Anything),
    }
}

/// Where it is remembered who speaks first; nowhere if a rollout divides what is sent there.
fn place(view: &View) -> Option<Place> {
    let is_divided = view.own_backend().is_some_and(|backend| backend.is_split());
    (!is_divided).then(|| Place::Service(view.service.id.clone()))
}

fn speak(
    caller: Rc<Caller>,
    stream: Prefixed,
    spoken: &Spoken,
    server: Option<(Stream, Dialled)>,
) -> Local<()> {
    let settings = &caller.worker.plane.settings;
    let keeps_case = settings.keeps_case || caller.view().keeps_case;
    let reading = Reading { limit: settings.head_limit, keeps_case };
    let served: Local<_> = match spoken {
        Spoken::Http1 => {
            let stream = Stream::Plain(stream);
            Box::pin(serve_http1(stream, handler(caller), reading, never()))
        }
        Spoken::Http2 => Box::pin(serve_http2(Stream::Plain(stream), handler(caller), never())),
        Spoken::Tls(_) | Spoken::Opaque => return carry(caller, stream, server),
    };
    Box::pin(async move {
        if let Err(error) = served.await {
            debug!(%error, "outbound HTTP connection ended early");
        }
    })
}

fn carry(caller: Rc<Caller>, stream: Prefixed, server: Option<(Stream, Dialled)>) -> Local<()> {
    Box::pin(async move { opaque::carry(&caller, stream, server).await })
}

fn handler(caller: Rc<Caller>) -> Handler {
    Rc::new(move |request: Request<Incoming>, in_request: Option<InRequest>| -> Local<_> {
        request::handle(Rc::clone(&caller), request, in_request)
    })
}
