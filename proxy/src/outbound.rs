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

use self::{resolve::Target, view::View};
use crate::{
    detect::Spoken,
    http::{
        Local,
        head_timer::InRequest,
        serve::{Handler, never, serve_http1, serve_http2},
    },
    metrics::Event,
    tcp::{
        opening::{FIRST_REQUEST, FIRST_WORD, Heard, listen},
        stream::{Prefixed, Stream},
    },
    worker::Worker,
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
    let heard = match view.service.protocol {
        Protocol::Tcp => return opaque::carry(&caller, stream).await,
        // Only the client can begin.
        Protocol::Http | Protocol::Http2 => listen(&mut stream, FIRST_REQUEST).await,
        Protocol::Detect if !view.service.routes.is_empty() => {
            listen(&mut stream, FIRST_REQUEST).await
        }
        Protocol::Detect => listen(&mut stream, FIRST_WORD).await,
    };
    match heard {
        Ok(Heard::Spoken(spoken)) => speak_as(caller, stream, &spoken).await,
        Ok(Heard::Silence) if view.service.protocol == Protocol::Detect => {
            if let Some((stream, spoken)) = opaque::first_to_speak(&caller, stream).await {
                speak_as(caller, stream, &spoken).await;
            }
        }
        Ok(Heard::Silence | Heard::Closed) | Err(_) => {}
    }
}

async fn speak_as(caller: Rc<Caller>, stream: Prefixed, spoken: &Spoken) {
    let head_limit = caller.worker.plane.settings.head_limit;
    let served = match spoken {
        Spoken::Http1 => {
            serve_http1(Stream::Plain(stream), handler(caller), head_limit, never()).await
        }
        Spoken::Http2 => serve_http2(Stream::Plain(stream), handler(caller), never()).await,
        Spoken::Tls(_) | Spoken::Opaque => return opaque::carry(&caller, stream).await,
    };
    if let Err(error) = served {
        debug!(%error, "outbound HTTP connection ended early");
    }
}

fn handler(caller: Rc<Caller>) -> Handler {
    Rc::new(move |request: Request<Incoming>, in_request: Option<InRequest>| -> Local<_> {
        Box::pin(request::handle(Rc::clone(&caller), request, in_request))
    })
}
