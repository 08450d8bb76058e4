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

use self::{opaque::Dialled, resolve::Target, view::View};
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
pub async fn serve(worker: Rc<Worker>, stream: TcpStream) {
    let original = match worker.plane.settings.outbound.original.of(&stream) {
        Ok(original) => original,
        Err(error) => {
            worker.count(Event::RefusedForeign);
            return debug!(%error, "outbound connection refused");
        }
    };
    let client = stream.peer_addr().ok();
    let stream = Prefixed::new(stream);
    match resolve::resolve(&worker, original).await {
        Target::View(view) => {
            let view = RefCell::new(view);
            let caller = Rc::new(Caller { worker, client, original, view });
            speak(caller, stream).await;
        }
        Target::Elsewhere => opaque::pass(&worker, stream, original).await,
        Target::Refused(event) => {
            worker.count(event);
            debug!(%original, reason = event.label(), "outbound connection refused");
            Stream::Plain(stream).reset();
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

async fn speak(caller: Rc<Caller>, mut stream: Prefixed) {
    let view = caller.view();
    let Some(speaks) = speaks(&view) else {
        return opaque::carry(&caller, stream, None).await;
    };
    let (habits, place) = (&caller.worker.server_first, place(&view));
    let is_known = place.as_ref().is_some_and(|place| habits.has(place));
    let habit = if is_known { Habit::ServerFirst } else { Habit::Unknown };
    let port = Port { speaks, habit };
    // Boxed: it is large, and gone when the conversation has begun.
    let begun = Box::pin(begin(&mut stream, port, opaque::dial_unasked(&caller, port))).await;
    match (begun.lesson, place) {
        (Some(Habit::ServerFirst), Some(place)) => habits.learn(place),
        (Some(Habit::Unknown), Some(place)) => habits.forget(&place),
        (_, None) | (None, _) => {}
    }
    match begun.next {
        Next::Heed(spoken) => speak_as(caller, stream, &spoken, begun.server).await,
        Next::Carry => opaque::carry_on(&caller, stream, begun.server, &begun.said).await,
        Next::Refuse => Stream::Plain(stream).reset(),
        Next::Close | Next::Wait(_) => {}
    }
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

async fn speak_as(
    caller: Rc<Caller>,
    stream: Prefixed,
    spoken: &Spoken,
    server: Option<(Stream, Dialled)>,
) {
    let settings = &caller.worker.plane.settings;
    let keeps_case = settings.keeps_case || caller.view().keeps_case;
    let reading = Reading { limit: settings.head_limit, keeps_case };
    let served = match spoken {
        Spoken::Http1 => {
            serve_http1(Stream::Plain(stream), handler(caller), reading, never()).await
        }
        Spoken::Http2 => serve_http2(Stream::Plain(stream), handler(caller), never()).await,
        Spoken::Tls(_) | Spoken::Opaque => return opaque::carry(&caller, stream, server).await,
    };
    if let Err(error) = served {
        debug!(%error, "outbound HTTP connection ended early");
    }
}

fn handler(caller: Rc<Caller>) -> Handler {
    Rc::new(move |request: Request<Incoming>, in_request: Option<InRequest>| -> Local<_> {
        request::handle(Rc::clone(&caller), request, in_request)
    })
}
