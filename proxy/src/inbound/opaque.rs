//! Carries bytes from elsewhere to the pod's application.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, time::Instant};
use tracing::debug;

use super::{strict, visitor::Visitor};
use crate::{
    access_log::{Entry, Outcome},
    cause::causes,
    metrics::labels::Flags,
    pool::connect,
    tcp::{
        relay::{Cut, relay},
        stream::Stream,
        tally::Tally,
    },
    tls::Carries,
};

/// Carries bytes until both sides have ended; opens a connection to the application if there is
/// none.
pub(super) async fn carry(visitor: &Visitor, client: Stream, server: Option<Stream>) {
    let server = match server {
        Some(server) => Ok(server),
        None => dial(visitor).await,
    };
    match server {
        Ok(server) => join(visitor, client, server, &[]).await,
        Err(flags) => turn_away(visitor, &client, flags),
    }
}

/// Resets a connection for which there is nobody.
pub(super) fn turn_away(visitor: &Visitor, client: &Stream, flags: Flags) {
    visitor.recorder().streams().miss(flags);
    log(visitor, flags, Duration::ZERO, [0, 0]);
    client.reset();
}

fn log(visitor: &Visitor, flags: Flags, took: Duration, bytes: [u64; 2]) {
    let (client, original) = (Some(visitor.arrived.client), Some(visitor.arrived.original));
    let (upstream, service) = (original, visitor.service.clone());
    let entry = || Entry { client, original, upstream, service, ..Entry::default() };
    let outcome = Outcome { inbound: true, code: 0, grpc_status: None, flags, took, bytes };
    visitor.worker.log_stream(entry, &outcome);
}

/// A connection to the application, or what is said of there being none.
pub(super) async fn dial(visitor: &Visitor) -> Result<Stream, Flags> {
    let worker = &visitor.worker;
    let opened = connect::open(&worker.plane.tls, &visitor.application, Carries::Bytes).await;
    opened.map_err(|error| {
        worker.no_connection(&error);
        debug!(%error, "the application does not take connections");
        error.flags()
    })
}

/// The same, beginning with what the application said already.
pub(super) async fn join(visitor: &Visitor, mut client: Stream, mut server: Stream, said: &[u8]) {
    let series = visitor.recorder().streams();
    let in_flight = visitor.worker.gauge.enter();
    let began = Instant::now();
    series.open();
    let tally = Tally::new(&series, said.len());
    let relayed = async {
        client.write_all(said).await.map_err(Cut::Client)?;
        relay(&mut client, &mut server, &tally).await
    };
    let relayed = tokio::select! {
        biased;
        () = strict::overdue(visitor) => Err(Cut::of_stranger()),
        relayed = relayed => relayed,
    };
    let flags = Cut::flags(&relayed);
    if let Err(error) = relayed {
        debug!(error = causes(&error), "a byte stream was cut");
        client.reset();
        server.reset();
    }
    series.close(flags);
    log(visitor, flags, began.elapsed(), tally.bytes());
    drop(in_flight);
}
