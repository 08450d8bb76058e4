//! Requests that turn their connection into something else: upgrades (RFC 9110, section 7.8),
//! CONNECT, and HTTP/2's extended CONNECT (RFC 8441). Once both sides have agreed, bytes are
//! carried and nobody looks.

use std::cell::Cell;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tracing::debug;

use super::{
    Local,
    arriving::ServersEnd,
    body::ResponseBody,
    exchange::Exchange,
    head::{strip_claims, strip_hop},
    recorder::Shared,
    send::Sent,
};
use crate::{
    cause::causes,
    metrics::StreamSeries,
    tcp::relay::{Cut, Meter, relay},
};

/// What a client wants its connection to become, and the client's end of it.
#[derive(Debug)]
pub struct Wish {
    /// The header that names it, for HTTP/1.1's upgrades.
    pub protocol: Option<HeaderValue>,
    client: OnUpgrade,
}

impl Wish {
    /// What `request` wants, if it wants any such thing. To go on with HTTP/2 is not such a thing:
    /// whatever followed would go past us (RFC 9113, section 3.1, has done away with it).
    pub fn of<B>(request: &mut Request<B>) -> Option<Self> {
        let connect = *request.method() == Method::CONNECT;
        let protocol = request.headers().get(header::UPGRADE).filter(|_| asks(request));
        let protocol = protocol.filter(|protocol| !names_http2(protocol)).cloned();
        (connect || protocol.is_some())
            .then(|| Self { protocol, client: hyper::upgrade::on(request) })
    }
}

fn asks<B>(request: &Request<B>) -> bool {
    let values = request.headers().get_all(header::CONNECTION).iter();
    let mut options =
        values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
}

fn names_http2(protocol: &HeaderValue) -> bool {
    let mut names = protocol.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    names.any(|name| name.eq_ignore_ascii_case(b"h2c") || name.eq_ignore_ascii_case(b"h2"))
}

/// Whether the server agreed.
#[must_use]
pub fn is_agreed<B>(method: &Method, response: &Response<B>) -> bool {
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => true,
        status => *method == Method::CONNECT && status.is_success(),
    }
}

/// Passes the server's agreement on and, once the client has it, carries bytes until both sides
/// have ended, or `overdue` does. What the exchange and the lease hold is held as long.
#[must_use]
pub fn agree(
    wish: Wish,
    sent: Sent,
    mut exchange: Exchange,
    recorder: Shared,
    overdue: Local<()>,
) -> Response<ResponseBody> {
    let Sent { response, marks, lease } = sent;
    let (mut parts, server) = ServersEnd::of(response);
    let upgrade = parts.headers.get(header::UPGRADE).cloned();
    strip_hop(&mut parts.headers, marks);
    strip_claims(&mut parts.headers, marks);
    if let Some(upgrade) = upgrade {
        parts.headers.insert(header::UPGRADE, upgrade);
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    exchange.complete(Instant::now());
    // The request is over, and what holds for it goes on: the bytes that follow begin no new one.
    let (client, held) = (wish.client, exchange.release());
    tokio::task::spawn_local(async move {
        carry(client, server, &recorder, overdue).await;
        drop((held, lease));
    });
    Response::from_parts(parts, ResponseBody::Empty)
}

async fn carry(client: OnUpgrade, server: ServersEnd, recorder: &Shared, overdue: Local<()>) {
    let (series, opened) = (recorder.streams(), Cell::new(false));
    let open = || {
        series.open();
        opened.set(true);
    };
    let carried = async {
        match server {
            ServersEnd::Upgraded(server) => {
                let (client, server) = tokio::try_join!(client, server)?;
                open();
                Ok(relay(&mut TokioIo::new(client), &mut TokioIo::new(server), &*series).await)
            }
            ServersEnd::Tunnel(mut server) => {
                let client = client.await?;
                open();
                Ok(relay(&mut TokioIo::new(client), &mut server, &*series).await)
            }
        }
    };
    let carried: hyper::Result<_> = tokio::select! {
        biased;
        () = overdue => Ok(Err(Cut::of_stranger())),
        carried = carried => carried,
    };
    if opened.get()
        && let Ok(ended) = &carried
    {
        series.close(Cut::flags(ended));
    }
    match carried {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(error = causes(&error), "an upgraded connection ended early"),
        Err(error) => debug!(%error, "an upgrade was agreed on and did not come about"),
    }
}

impl Meter for StreamSeries {
    fn forth(&self, bytes: usize) {
        self.received(bytes as u64);
    }

    fn back(&self, bytes: usize) {
        self.sent(bytes as u64);
    }
}
