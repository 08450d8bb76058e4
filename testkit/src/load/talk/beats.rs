//! `Payment.Watch`: heartbeats both ways, none of which may be lost.

use tokio::{sync::mpsc, time::Interval};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{End, Failed, Part, Script, refused, truncated};
use crate::{
    grpc::{Sequence, proto::shop::Beat},
    load::tally::Tally,
};

pub(super) async fn part(
    script: &Script,
    count: u32,
    tally: &Tally,
    stop: &CancellationToken,
) -> Result<Part, Failed> {
    let mut client = script.payment(tally).await?;
    let (beats, outgoing) = mpsc::channel(4);
    let interval_millis = u32::try_from(script.every.as_millis()).unwrap_or(u32::MAX);
    // It cannot be full, and whether the other end is there is seen below.
    drop(beats.try_send(Beat { interval_millis, ..Beat::default() }));
    let call = client.watch(ReceiverStream::new(outgoing));
    let called = script.within("answered", call).await?;
    let incoming = called.map_err(|status| refused(&status))?.into_inner();
    let mut ticks = script.ticks();
    // The first beat is already sent.
    ticks.reset();
    let (sequence, last) = (Sequence::default(), Beat::default());
    let mut stream = Stream { script, incoming, sequence, last, sent: 1 };
    match stream.beat(beats, ticks, count, stop).await? {
        End::Ours => {}
        End::Theirs => return stream.over(End::Theirs),
    }
    while stream.hear(None).await?.is_some() {}
    let end = if stream.last.leaving { End::Theirs } else { End::Ours };
    stream.over(end)
}

struct Stream<'a> {
    script: &'a Script,
    incoming: Streaming<Beat>,
    sequence: Sequence,
    /// What the server said last.
    last: Beat,
    sent: u32,
}

impl Stream<'_> {
    /// Sends beats and hears others, until all are sent, the client is to stop, or the server has
    /// ended the stream because it leaves. Ends our side.
    async fn beat(
        &mut self,
        beats: mpsc::Sender<Beat>,
        mut ticks: Interval,
        count: u32,
        stop: &CancellationToken,
    ) -> Result<End, Failed> {
        while self.sent < count {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(End::Ours),
                heard = self.hear(Some(&mut ticks)) => match heard? {
                    Some(Heard::Beat) => {}
                    Some(Heard::Time) => self.send(&beats),
                    None if self.last.leaving => return Ok(End::Theirs),
                    None => return Err(truncated(format!("ended after {} beats", self.sent))),
                },
            }
        }
        Ok(End::Ours)
    }

    /// What comes next: a beat, the time for one of ours, or the end of the stream.
    async fn hear(&mut self, ticks: Option<&mut Interval>) -> Result<Option<Heard>, Failed> {
        let incoming = &mut self.incoming;
        let next = async {
            let Some(ticks) = ticks else { return Next::Message(incoming.message().await) };
            tokio::select! {
                biased;
                message = incoming.message() => Next::Message(message),
                _ = ticks.tick() => Next::Time,
            }
        };
        let message = match self.script.within("a beat", next).await? {
            Next::Time => return Ok(Some(Heard::Time)),
            Next::Message(message) => message.map_err(|status| refused(&status))?,
        };
        let Some(beat) = message else { return Ok(None) };
        self.sequence.hear(beat.sequence);
        self.last = beat;
        Ok(Some(Heard::Beat))
    }

    /// Sends a beat, unless those before are still waiting: then the next tick does.
    fn send(&mut self, beats: &mpsc::Sender<Beat>) {
        let (sequence, heard) = (u64::from(self.sent), self.sequence.heard);
        if beats.try_send(Beat { sequence, heard, ..Beat::default() }).is_ok() {
            self.sent += 1;
        }
    }

    /// The stream has ended with OK: nothing may be missing on either side, but what a server that
    /// leaves says that it did not hear.
    fn over(self, end: End) -> Result<Part, Failed> {
        let Beat { heard, gaps, .. } = self.last;
        let (sent, missed) = (self.sent, self.sequence.gaps);
        let answered = u32::try_from(heard).unwrap_or(u32::MAX);
        let is_whole = gaps == 0 && missed == 0 && answered <= sent;
        if is_whole && (end == End::Theirs || answered == sent) {
            return Ok(Part { answered, end });
        }
        Err(truncated(format!("{heard} of {sent} heard, {gaps} gaps there and {missed} here")))
    }
}

enum Heard {
    Beat,
    Time,
}

enum Next {
    Message(Result<Option<Beat>, Status>),
    Time,
}
