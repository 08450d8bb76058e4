//! Carries bytes: what is not HTTP, what nobody knows, and connections on which the server speaks
//! first.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use tokio::{io::AsyncWriteExt as _, time::Instant};
use tracing::debug;

use super::{
    Caller,
    view::{Drawn, Member, Tried},
};
use crate::{
    access_log::{Entry, Outcome},
    cause::causes,
    detect::opening::{Port, Stage},
    metrics::{
        Event,
        labels::{Flags, PathLabels, Peer, Reporter, Security, ServiceLabels},
    },
    pool::{Busy, connect},
    tcp::{
        self,
        relay::{Cut, Meter, relay},
        stream::{Prefixed, Stream},
        tally::Tally,
    },
    tls::Carries,
    worker::Worker,
};

/// A connection to an endpoint, chosen as requests are: the revision first, then the endpoint.
pub(super) struct Dialled {
    member: Rc<Member>,
    _busy: Busy,
}

/// Carries bytes between the pod and an endpoint, until both have ended.
pub(super) async fn carry(caller: &Caller, client: Prefixed, server: Option<(Stream, Dialled)>) {
    carry_on(caller, client, server, &[]).await;
}

/// The same, beginning with what the server said already.
pub(super) async fn carry_on(
    caller: &Caller,
    client: Prefixed,
    server: Option<(Stream, Dialled)>,
    said: &[u8],
) {
    let server = match server {
        Some(server) => Some(server),
        None => dial(caller).await,
    };
    match server {
        Some(server) => join(caller, client, server, said).await,
        None => {
            Stream::Plain(client).reset();
            log(caller, None, Flags::UpstreamFailure, Duration::ZERO, [0, 0]);
        }
    }
}

fn log(
    caller: &Caller,
    upstream: Option<SocketAddr>,
    flags: Flags,
    took: Duration,
    bytes: [u64; 2],
) {
    let entry = || {
        let (client, original) = (caller.client, Some(caller.original));
        let service = Some(caller.view().service.id.to_string());
        Entry { client, original, upstream, service, ..Entry::default() }
    };
    let outcome = Outcome { inbound: false, code: 0, grpc_status: None, flags, took, bytes };
    caller.worker.log_stream(entry, &outcome);
}

/// Asks the server for a connection before the client has spoken.
pub(super) async fn dial_unasked(caller: &Caller, port: Port) -> Option<(Stream, Dialled)> {
    if port.begin() == Stage::Listening {
        caller.worker.count(Event::FirstWordAwaited);
    }
    dial(caller).await
}

/// Passes a connection that leaves the mesh through to where it was going.
pub(super) async fn pass(worker: &Rc<Worker>, client: Prefixed, original: SocketAddr) {
    let recorder = worker.recorder(PathLabels {
        reporter: Reporter::Source,
        source: worker.plane.local.clone(),
        destination: Peer::nobody(),
        service: ServiceLabels { name: "PassthroughCluster".into(), ..ServiceLabels::unknown() }
            .into(),
        security: Security::None,
    });
    let in_flight = worker.gauge.enter();
    let (from, began) = (client.inner().peer_addr().ok(), Instant::now());
    let log = |flags, bytes| {
        let (upstream, service) = (Some(original), Some("PassthroughCluster".to_owned()));
        let (client, original) = (from, upstream);
        let entry = || Entry { client, original, upstream, service, ..Entry::default() };
        let took = began.elapsed();
        let outcome = Outcome { inbound: false, code: 0, grpc_status: None, flags, took, bytes };
        worker.log_stream(entry, &outcome);
    };
    match tcp::connect(original, None, ELSEWHERE_LIMIT).await {
        Ok(server) => {
            let server = Stream::Plain(Prefixed::new(server));
            let series = recorder.streams(Flags::None);
            series.open();
            let tally = Tally::new(&series, 0);
            let carried = carry_between(Stream::Plain(client), server, &tally).await;
            series.close();
            log(Cut::flags(&carried), tally.bytes());
        }
        Err(error) => {
            debug!(%original, %error, "failed to connect outside the mesh");
            worker.no_connection(&connect::Error::of(error));
            log(Flags::UpstreamFailure, [0, 0]);
            Stream::Plain(client).reset();
        }
    }
    drop(in_flight);
}

/// Connects to an endpoint, and to another if that fails: nothing was sent yet.
async fn dial(caller: &Caller) -> Option<(Stream, Dialled)> {
    let (worker, view) = (&caller.worker, caller.view());
    let backend = view.own_backend()?;
    let group = backend.draw(Drawn::Connection);
    let mut tried = Tried::default();
    loop {
        let member = backend.pick(worker, group, &tried, Instant::now())?;
        let busy = member.endpoint.enter();
        match connect::open(&worker.plane.tls, &member.endpoint, Carries::Bytes).await {
            Ok(stream) => return Some((stream, Dialled { member, _busy: busy })),
            Err(error) => {
                let source = std::error::Error::source(&error);
                debug!(address = %member.endpoint.address, %error, ?source, "no connection");
                worker.no_connection(&error);
                if !error.is_verdict() {
                    return None;
                }
                member.endpoint.load.fail(Instant::now());
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
async fn join(
    caller: &Caller,
    mut client: Prefixed,
    (server, dialled): (Stream, Dialled),
    said: &[u8],
) {
    let Dialled { member, _busy } = dialled;
    let series = member.recorder(&caller.worker).streams(Flags::None);
    let in_flight = caller.worker.gauge.enter();
    let began = Instant::now();
    series.open();
    let meter = Tally::new(&series, said.len());
    let carried = match client.write_all(said).await {
        Ok(()) => carry_between(Stream::Plain(client), server, &meter).await,
        Err(error) => {
            server.reset();
            Err(Cut::Client(error))
        }
    };
    series.close();
    let [forth, back] = meter.bytes();
    let address = Some(member.endpoint.address);
    log(caller, address, Cut::flags(&carried), began.elapsed(), [forth, back]);
    if let Some(row) = &member.row
        && let Some(ok) = verdict(&carried, forth > 0, back > 0)
    {
        row.record(ok);
    }
    drop(in_flight);
}

/// Whether the server served the connection. One that it cut before it said anything it did not;
/// one that the client cut before that says nothing, nor does one on which nobody spoke.
const fn verdict(carried: &Result<(), Cut>, is_asked: bool, is_answered: bool) -> Option<bool> {
    match carried {
        _ if is_answered => Some(true),
        Ok(()) if is_asked => Some(true),
        Ok(()) => None,
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

/// How long connecting outside the mesh may take.
const ELSEWHERE_LIMIT: Duration = Duration::from_secs(10);
