//! Carries bytes from elsewhere to the pod's application.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::debug;

use super::{refuse, strict, visitor::Visitor};
use crate::{
    cause::causes,
    detect::Spoken,
    metrics::{Event, labels::Flags},
    pool::connect,
    tcp::{
        opening::{FIRST_HELLO, FIRST_REQUEST, Heard, listen},
        relay::{Cut, relay},
        stream::{Prefixed, Stream},
    },
    tls::{self, Carries},
};

/// Carries bytes until both sides have ended.
pub(super) async fn carry(visitor: &Visitor, client: Stream) {
    match dial(visitor).await {
        Some(server) => join(visitor, client, server, &[]).await,
        None => client.reset(),
    }
}

/// Nobody has spoken: asks the application too, and whoever speaks first decides. Gives the client
/// back if that was the client, and the bytes are not just to be carried. If the workload becomes
/// strict before anyone spoke, only a peer of the mesh still may.
pub(super) async fn first_to_speak(
    visitor: &Visitor,
    mut client: Prefixed,
) -> Option<(Prefixed, Spoken)> {
    let Some(mut server) = dial(visitor).await else {
        Stream::Plain(client).reset();
        return None;
    };
    let mut word = vec![0; WORD];
    let heard = tokio::select! {
        biased;
        () = strict::turned(&visitor.worker) => return peer_to_speak(visitor, client).await,
        heard = listen(&mut client, FIRST_REQUEST) => heard,
        read = server.read(&mut word) => {
            let word = word.get(..read.unwrap_or(0)).unwrap_or_default();
            join(visitor, Stream::Plain(client), server, word).await;
            return None;
        }
    };
    match heard {
        Ok(Heard::Spoken(Spoken::Opaque)) => {
            join(visitor, Stream::Plain(client), server, &[]).await;
            None
        }
        Ok(Heard::Spoken(spoken)) => Some((client, spoken)),
        Ok(Heard::Silence | Heard::Closed) | Err(_) => None,
    }
}

/// Gives the client back if it begins as a peer of the mesh does, and turns away all others.
async fn peer_to_speak(visitor: &Visitor, mut client: Prefixed) -> Option<(Prefixed, Spoken)> {
    if let Ok(Heard::Spoken(Spoken::Tls(hello))) = listen(&mut client, FIRST_HELLO).await
        && tls::is_of_the_mesh(&hello)
    {
        return Some((client, Spoken::Tls(hello)));
    }
    refuse(&visitor.worker, &Stream::Plain(client), Event::RefusedPlain);
    None
}

async fn dial(visitor: &Visitor) -> Option<Stream> {
    let worker = &visitor.worker;
    let opened = connect::open(&worker.plane.tls, &visitor.application, Carries::Bytes).await;
    opened
        .inspect_err(|error| {
            worker.count(Event::ConnectFailed);
            debug!(%error, "the application does not take connections");
        })
        .ok()
}

async fn join(visitor: &Visitor, mut client: Stream, mut server: Stream, said: &[u8]) {
    let series = visitor.recorder().streams(Flags::None);
    let in_flight = visitor.worker.gauge.enter();
    series.open();
    series.sent(said.len() as u64);
    let relayed = async {
        client.write_all(said).await.map_err(Cut::Client)?;
        relay(&mut client, &mut server, &*series).await
    };
    let relayed = tokio::select! {
        biased;
        () = strict::overdue(visitor) => Err(Cut::Client(io::Error::other("it is no peer"))),
        relayed = relayed => relayed,
    };
    if let Err(error) = relayed {
        debug!(error = causes(&error), "a byte stream was cut");
        client.reset();
        server.reset();
    }
    series.close();
    drop(in_flight);
}

/// Room for what a server says first.
const WORD: usize = 16 * 1024;
