//! Carries bytes: what is not HTTP, what nobody knows, and connections on which the server speaks
//! first.

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::debug;

use super::{
    Caller,
    view::{Drawn, Member, Tried},
};
use crate::{
    cause::causes,
    detect::Spoken,
    metrics::{
        Event, StreamSeries,
        labels::{Flags, PathLabels, Peer, Reporter, Security, ServiceLabels},
    },
    pool::{Busy, connect},
    tcp::{
        self,
        opening::{FIRST_REQUEST, Heard, listen},
        relay::{Cut, Meter, relay},
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

/// Nobody has spoken: asks the server too, and whoever speaks first decides. Gives the client back
/// if that was the client, and it speaks HTTP; carries bytes to the end if it was anything else.
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
            // However it ended, it was not ours.
            drop(carry_between(Stream::Plain(client), server, &*series).await);
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
    let group = backend.draw(Drawn::Connection);
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
                tried.note(member.endpoint.address);
                if !tried.has_room() {
                    return None;
                }
            }
        }
    }
}

/// Carries bytes both ways, beginning with what the server said already.
async fn join(caller: &Caller, mut client: Prefixed, dialled: Dialled, said: &[u8]) {
    let Dialled { member, stream: server, _busy } = dialled;
    let series = member.recorder(&caller.worker).streams(Flags::None);
    let in_flight = caller.worker.gauge.enter();
    series.open();
    series.sent(said.len() as u64);
    let meter = Answered { series: &series, back: Cell::new(said.len()) };
    let carried = match client.write_all(said).await {
        Ok(()) => carry_between(Stream::Plain(client), server, &meter).await,
        Err(error) => {
            server.reset();
            Err(Cut::Client(error))
        }
    };
    series.close();
    if let Some(row) = &member.row
        && let Some(ok) = verdict(&carried, meter.back.get() > 0)
    {
        row.record(ok);
    }
    drop(in_flight);
}

/// Whether the server served the connection. One that it cut before it said anything it did not;
/// one that the client cut before that says nothing.
const fn verdict(carried: &Result<(), Cut>, is_answered: bool) -> Option<bool> {
    match carried {
        Ok(()) => Some(true),
        Err(_) if is_answered => Some(true),
        Err(Cut::Server(_)) => Some(false),
        Err(Cut::Client(_)) => None,
    }
}

async fn carry_between(
    mut client: Stream,
    mut server: Stream,
    meter: &impl Meter,
) -> Result<(), Cut> {
    let relayed = relay(&mut client, &mut server, meter).await;
    if let Err(error) = &relayed {
        debug!(error = causes(error), "a byte stream was cut");
        client.reset();
        server.reset();
    }
    relayed
}

/// Counts, and remembers whether the server said anything.
struct Answered<'a> {
    series: &'a StreamSeries,
    back: Cell<usize>,
}

impl Meter for Answered<'_> {
    fn forth(&self, bytes: usize) {
        self.series.forth(bytes);
    }

    fn back(&self, bytes: usize) {
        self.back.set(self.back.get() + bytes);
        self.series.back(bytes);
    }
}

/// Room for what a server says first.
const WORD: usize = 16 * 1024;
/// How long connecting outside the mesh may take.
const ELSEWHERE_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);
