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
    http::recorder::Shared,
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

/// Why a connection reached nobody, and whose it would have been.
pub(super) struct Missed {
    flags: Flags,
    recorder: Shared,
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
        Some(server) => Ok(server),
        None => dial(caller).await,
    };
    match server {
        Ok(server) => join(caller, client, server, said).await,
        Err(missed) => turn_away(caller, client, &missed),
    }
}

/// Turns a client away that has heard nothing: nobody took its connection, or whoever did cut it.
pub(super) fn refuse(
    caller: &Caller,
    client: Prefixed,
    dialled: Option<Result<(Stream, Dialled), Missed>>,
) {
    match dialled {
        Some(Ok((_, Dialled { member, .. }))) => {
            let recorder = member.recorder(&caller.worker);
            turn_away(caller, client, &Missed { flags: Flags::UpstreamTermination, recorder });
        }
        Some(Err(missed)) => turn_away(caller, client, &missed),
        None => Stream::Plain(client).reset(),
    }
}

/// Resets a connection that reached nobody, once that is counted.
fn turn_away(caller: &Caller, client: Prefixed, missed: &Missed) {
    missed.recorder.streams().miss(missed.flags);
    log(caller, None, missed.flags, Duration::ZERO, [0, 0]);
    Stream::Plain(client).reset();
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
pub(super) async fn dial_unasked(caller: &Caller, port: Port) -> Result<(Stream, Dialled), Missed> {
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
            let series = recorder.streams();
            series.open();
            let tally = Tally::new(&series, 0);
            let carried = carry_between(Stream::Plain(client), server, &tally).await;
            let flags = Cut::flags(&carried);
            series.close(flags);
            log(flags, tally.bytes());
        }
        Err(error) => {
            debug!(%original, %error, "failed to connect outside the mesh");
            let error = connect::Error::of(error);
            worker.no_connection(&error);
            recorder.streams().miss(error.flags());
            log(error.flags(), [0, 0]);
            Stream::Plain(client).reset();
        }
    }
    drop(in_flight);
}

/// Connects to an endpoint, and to another if that fails: nothing was sent yet.
async fn dial(caller: &Caller) -> Result<(Stream, Dialled), Missed> {
    let (worker, view) = (&caller.worker, caller.view());
    let nobody = |recorder| Missed { flags: Flags::NoHealthyUpstream, recorder };
    let Some(backend) = view.own_backend() else {
        return Err(nobody(Rc::clone(&view.recorder)));
    };
    let group = backend.draw(Drawn::Connection);
    let (mut tried, mut missed) = (Tried::default(), nobody(Rc::clone(&backend.recorder)));
    while tried.has_room()
        && let Some(member) = backend.pick(worker, group, &tried, Instant::now())
    {
        let busy = member.endpoint.enter();
        let opened = connect::open(&worker.plane.tls, &member.endpoint, Carries::Bytes).await;
        let error = match opened {
            Ok(stream) => return Ok((stream, Dialled { member, _busy: busy })),
            Err(error) => error,
        };
        missed = Missed { flags: error.flags(), recorder: member.recorder(worker) };
        judge(worker, &member, &error);
        // What is missing here is missing for every endpoint.
        if !error.is_verdict() {
            break;
        }
        tried.note(member.endpoint.address);
    }
    Err(missed)
}

/// Lets the endpoint's load and its row know that there was no connection to it.
fn judge(worker: &Worker, member: &Member, error: &connect::Error) {
    let source = std::error::Error::source(error);
    debug!(address = %member.endpoint.address, %error, ?source, "no connection");
    worker.no_connection(error);
    if error.is_verdict() {
        member.endpoint.load.fail(Instant::now());
        if let Some(row) = &member.row {
            row.record(false);
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
    let series = member.recorder(&caller.worker).streams();
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
    let flags = Cut::flags(&carried);
    series.close(flags);
    let [forth, back] = meter.bytes();
    let address = Some(member.endpoint.address);
    log(caller, address, flags, began.elapsed(), [forth, back]);
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
