//! Carries bytes: what is not HTTP, what nobody knows, and connections on which the server speaks first.

use std::{io, net::SocketAddr, rc::Rc};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::debug;

use super::{
    Caller,
    view::{Member, Tried},
};
use crate::{
    detect::Spoken,
    metrics::{
        Event,
        labels::{Flags, PathLabels, Peer, Reporter, Security, ServiceLabels},
    },
    pool::{Busy, connect},
    tcp::{
        self,
        opening::{FIRST_REQUEST, Heard, listen},
        relay::{Meter, relay},
        stream::{Prefixed, Stream},
    },
    tls::Carries,
    worker::Worker,
};

/// A connection to an endpoint, chosen as requests are: the revision first, then the endpoint.
struct Dialled {
    member: Rc<Member>,
    stream: Stream,
    _busy: Busy,
}

/// Carries bytes between the pod and an endpoint, until both have ended.
pub(super) async fn carry(caller: &Caller, client: Prefixed) {
    match dial(caller).await {
        Some(dialled) => join(caller, client, dialled, &[]).await,
        None => Stream::Plain(client).reset(),
    }
}

/// Nobody has spoken: asks the server too, and whoever speaks first decides. Gives the client back if that was
/// the client, and it speaks HTTP; carries bytes to the end if it was anything else.
pub(super) async fn first_to_speak(
    caller: &Caller,
    mut client: Prefixed,
) -> Option<(Prefixed, Spoken)> {
    let Some(mut dialled) = dial(caller).await else {
        Stream::Plain(client).reset();
        return None;
    };
    let mut word = vec![0; WORD];
    let heard = tokio::select! {
        biased;
        heard = listen(&mut client, FIRST_REQUEST) => heard,
        read = dialled.stream.read(&mut word) => {
            let word = word.get(..read.unwrap_or(0)).unwrap_or_default();
            join(caller, client, dialled, word).await;
            return None;
        }
    };
    match heard {
        // The server has heard nothing from us, so it is as if we had never asked.
        Ok(Heard::Spoken(spoken @ (Spoken::Http1 | Spoken::Http2))) => Some((client, spoken)),
        Ok(Heard::Spoken(Spoken::Tls(_) | Spoken::Opaque)) => {
            join(caller, client, dialled, &[]).await;
            None
        }
        Ok(Heard::Silence | Heard::Closed) | Err(_) => None,
    }
}

/// Passes a connection that leaves the mesh through to where it was going.
pub(super) async fn pass(worker: &Rc<Worker>, client: Prefixed, original: SocketAddr) {
    let recorder = worker.recorder(PathLabels {
        reporter: Reporter::Source,
        source: worker.plane.local.clone(),
        destination: Peer::unknown().into(),
        service: ServiceLabels { name: "PassthroughCluster".into(), ..ServiceLabels::unknown() }
            .into(),
        security: Security::None,
    });
    let in_flight = worker.gauge.enter();
    match tcp::connect(original, None, ELSEWHERE_LIMIT).await {
        Ok(server) => {
            let server = Stream::Plain(Prefixed::new(server));
            let series = recorder.streams(Flags::None);
            series.open();
            carry_between(Stream::Plain(client), server, &*series).await;
            series.close();
        }
        Err(error) => {
            worker.count(Event::ConnectFailed);
            debug!(%original, %error, "failed to connect outside the mesh");
            Stream::Plain(client).reset();
        }
    }
    drop(in_flight);
}

/// Connects to an endpoint, and to another if that fails: nothing was sent yet.
async fn dial(caller: &Caller) -> Option<Dialled> {
    let (worker, view) = (&caller.worker, caller.view());
    let backend = view.own_backend()?;
    let group = backend.draw();
    let mut tried = Tried::default();
    loop {
        let member = backend.pick(worker, group, &tried)?;
        let busy = member.endpoint.enter();
        match connect::open(&worker.plane.tls, &member.endpoint, Carries::Bytes).await {
            Ok(stream) => return Some(Dialled { member, stream, _busy: busy }),
            Err(error) => {
                let source = std::error::Error::source(&error);
                debug!(address = %member.endpoint.address, %error, ?source, "no connection");
                worker.count(if error.is_about_identity() {
                    Event::RefusedServer
                } else {
                    Event::ConnectFailed
                });
                member.endpoint.load.fail(tokio::time::Instant::now());
                if let Some(row) = &member.row {
                    row.record(false);
                }
                if !tried.note(member.endpoint.address) {
                    return None;
                }
            }
        }
    }
}

/// Carries bytes both ways, beginning with what the server said already.
async fn join(caller: &Caller, mut client: Prefixed, dialled: Dialled, said: &[u8]) {
    let Dialled { member, stream: server, .. } = &dialled;
    let series = member.recorder(&caller.worker).streams(Flags::None);
    if let Some(row) = &member.row {
        row.record(true);
    }
    let in_flight = caller.worker.gauge.enter();
    series.open();
    series.sent(said.len() as u64);
    if let Err(error) = client.write_all(said).await {
        debug!(%error, "the client is gone");
        server.reset();
    } else {
        carry_between(Stream::Plain(client), dialled.stream, &*series).await;
    }
    series.close();
    drop(in_flight);
}

async fn carry_between(mut client: Stream, mut server: Stream, meter: &impl Meter) {
    let relayed: io::Result<()> = relay(&mut client, &mut server, meter).await;
    if let Err(error) = relayed {
        debug!(%error, "a byte stream was cut");
        client.reset();
        server.reset();
    }
}

/// Room for what a server says first.
const WORD: usize = 16 * 1024;
/// How long connecting outside the mesh may take.
const ELSEWHERE_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);
