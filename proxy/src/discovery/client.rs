//! The one task that writes what is held: it keeps a stream to control open, feeds the table with
//! what happens, and does what the table says.

use std::{path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use runtime::{clock::Clock, readiness::Pending};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::{
    client::Error,
    message::{FromControl, ToControl},
};

use super::{
    Answer, Command,
    metrics::Metrics,
    session::{Closed, Heard, Session},
    store::Store,
    table::{Effects, TICK, Table},
};
use crate::{
    cause::causes,
    control::{Backoff, Control},
    identity::{Identity, Roots},
    report::Reporter,
};

/// Who the proxy is and whom it talks to.
#[derive(Debug)]
pub struct Proxy {
    /// Where control is.
    pub control: Control,
    /// What streams are opened with.
    pub roots: Roots,
    /// Where the service-account token lies. It is read anew for every stream, since kubelet
    /// replaces it.
    pub token: PathBuf,
    /// The pod's uid.
    pub pod_uid: Arc<str>,
    /// The pod's name.
    pub pod_name: Arc<str>,
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// Unix milliseconds of the process' start.
    pub epoch: u64,
    /// What control hears at intervals.
    pub reporter: Reporter,
    /// For comparing with certificates.
    pub clock: Clock,
}

/// Keeps a [`super::Discovery`] current.
#[derive(Debug)]
pub struct Client {
    proxy: Proxy,
    writer: Writer,
}

/// The writing half: everything but the stream.
#[derive(Debug)]
struct Writer {
    store: Arc<Store>,
    commands: mpsc::Receiver<Command>,
    table: Table,
    tick: Interval,
    metrics: Metrics,
    /// What the proxy is not ready without.
    awaited: Vec<(model::key::Key, Pending)>,
}

impl Client {
    pub(super) fn new(
        proxy: Proxy,
        store: Arc<Store>,
        commands: mpsc::Receiver<Command>,
        metrics: Metrics,
        awaited: Vec<(model::key::Key, Pending)>,
    ) -> Self {
        let mut tick = tokio::time::interval_at(Instant::now() + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let writer = Writer { store, commands, table: Table::new(), tick, metrics, awaited };
        Self { proxy, writer }
    }

    /// Keeps the handle current until `stop` fires.
    pub async fn run(self, stop: CancellationToken) {
        let Self { proxy, mut writer } = self;
        let (mut backoff, mut disowned) = (Backoff::new(), None);
        let keep_current = async {
            let mut pause = Duration::ZERO;
            loop {
                let opening = async {
                    tokio::time::sleep(pause).await;
                    open(&proxy, &mut backoff, &mut disowned).await
                };
                let session = writer.wait_for(Box::pin(opening)).await;
                let opened_at = Instant::now();
                let closed = writer.follow(session, &proxy).await;
                pause = backoff.after_end(opened_at.elapsed());
                warn!(%closed, ?pause, "control stream ended");
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = keep_current => {}
        }
    }
}

/// A stream that will be open.
type Opening<'a> = Pin<Box<dyn Future<Output = Session> + Send + 'a>>;

/// Tries until a stream is open. There is one stream at a time; a second, warm one for hedged
/// look-ups would be opened here as well.
async fn open(proxy: &Proxy, backoff: &mut Backoff, disowned: &mut Option<u64>) -> Session {
    // The first certificate is on its way, and an attempt without one would only cost time.
    let mut certificates = proxy.roots.identity.changed();
    drop(certificates.wait_for(|generation| *generation > 0).await);
    let mut failures = 0_u32;
    loop {
        let error = match Session::open(proxy, failures).await {
            Ok(session) => return session,
            Err(error) => error,
        };
        failures = failures.saturating_add(1);
        let is_doubtful = error.may_be_ours() && failures.is_multiple_of(DOUBTFUL);
        if is_doubtful || proxy.roots.disown(&proxy.clock, disowned).await {
            // Control may accept the certificate no more.
            proxy.roots.identity.renew();
        }
        let pause = backoff.after_failure();
        warn!(error = causes(&error), ?pause, "control not reached");
        tokio::time::sleep(pause).await;
    }
}

impl Writer {
    /// Goes on answering from what is held while there is no stream.
    async fn wait_for(&mut self, mut opening: Opening<'_>) -> Session {
        loop {
            tokio::select! {
                biased;
                session = &mut opening => return session,
                Some(command) = self.commands.recv() => self.obey(command),
                _ = self.tick.tick() => self.pass_time(),
            }
            // With no stream there is nobody to send anything to: the next stream hears of all of
            // it.
            self.settle();
        }
    }

    /// Follows what control says until the stream ends.
    async fn follow(&mut self, mut session: Session, proxy: &Proxy) -> Closed {
        info!("control stream open");
        self.metrics.connected(true);
        self.table.connected();
        let closed = loop {
            self.settle().into_iter().for_each(|message| session.send(message));
            tokio::select! {
                biased;
                heard = session.listen() => match heard {
                    Heard::Messages(messages) => {
                        if let Some(closed) = self.take_in(messages, &mut session, &proxy.roots.identity) {
                            break closed;
                        }
                    }
                    Heard::ReportDue => session.send(ToControl::Report(proxy.reporter.report())),
                    Heard::Closed(closed) => break closed,
                },
                Some(command) = self.commands.recv() => self.obey(command),
                _ = self.tick.tick() => self.pass_time(),
            }
        };
        self.table.disconnected();
        self.store.lose_stream();
        self.metrics.connected(false);
        self.settle();
        closed
    }

    fn take_in(
        &mut self,
        messages: Vec<Result<FromControl, Error>>,
        session: &mut Session,
        identity: &Identity,
    ) -> Option<Closed> {
        for message in messages {
            match message {
                Ok(FromControl::Push(push)) => {
                    self.metrics.pushed(&push.key);
                    self.table.pushed(push);
                }
                Ok(FromControl::Absent(key)) => self.table.absent(&key),
                Ok(FromControl::Settings(settings)) => {
                    session.report_every(settings.report_interval);
                    if let Some(issuer) = settings.issuer {
                        identity.signed_by(issuer);
                    }
                }
                Err(error) if error.is_final() => return Some(Closed::Lost(Some(error))),
                Err(Error::Rejected(rejected)) => {
                    warn!(key = %rejected.key, invalid = %rejected.invalid, "push refused");
                    let wire::message::Rejected { key, version, invalid } = *rejected;
                    self.table.rejected(key, version, &invalid);
                }
                Err(error) => warn!(%error, "message from control not understood"),
            }
        }
        None
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::LookUp { key, answer } => self.table.look_up(&key, answer),
            // Whoever asked may be gone.
            Command::Show(lines) => drop(lines.send(self.table.lines())),
        }
    }

    fn pass_time(&mut self) {
        let now = self.store.advance();
        self.table.tick(now, |key| self.store.used_at(key));
    }

    /// Publishes and answers what the table says; gives back what is to be sent. In this order: who
    /// is answered finds it held, and control hears of nothing that is not in use.
    fn settle(&mut self) -> Vec<ToControl> {
        let Effects { publish, send, answer } = self.table.effects();
        for (key, now) in &publish {
            if matches!(now, Some(Answer::Found(_))) {
                self.awaited.retain(|(awaited, _)| awaited != key);
            }
        }
        if !publish.is_empty() {
            self.store.apply(publish);
        }
        for (waiting, answer) in answer {
            // Whoever asked may have given up.
            drop(waiting.send(answer));
        }
        self.metrics.note(self.table.len(), &send);
        send
    }
}

/// Failures after which the certificate is renewed, in case it is why control refuses.
const DOUBTFUL: u32 = 6;
