//! Sessions: one task per proxy, that tells it what it asked for and keeps what it says it uses.
//!
//! This file lets proxies in; [`run`] is the session itself, [`ledger`] its books, [`body`] what
//! sessions share.

pub mod body;
mod hello;
pub mod ledger;
mod run;

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use model::identity::TrustDomain;
use runtime::tasks::Tasks;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tracing::info;
use wire::{
    Encoded,
    message::{FromControl, Hello, ToControl},
    server::{Discovery, Incoming, Interrupted, Outgoing, Peer, Refusal},
};

use crate::{
    ca::Authorities,
    meter::Meter,
    report::Registry,
    token::Tokens,
    view::{Asker, Views},
};

use body::Bodies;

/// Serves proxies.
#[derive(Debug)]
pub struct Sessions {
    /// The trust domain of every identity.
    pub trust_domain: TrustDomain,
    /// What is told.
    pub sources: Sources,
    /// Who reviews tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Token reviews in progress at once; shared with signing.
    pub places: Arc<Semaphore>,
    /// Where the state of proxies is kept.
    pub registry: Registry,
    /// Where sessions run.
    pub tasks: Tasks,
}

/// What sessions read.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The newest view of the cluster.
    pub views: Views,
    /// The newest trust bundle.
    pub authorities: Authorities,
    /// What all sessions send.
    pub bodies: Arc<Bodies>,
    /// What is counted.
    pub meter: Meter,
}

impl Discovery for Sessions {
    async fn connect(
        &self,
        peer: Peer,
        mut incoming: Incoming<ToControl>,
    ) -> Result<Outgoing<FromControl<Encoded>>, Refusal> {
        let admitted = self.admit(peer, &mut incoming).await;
        let (hello, asker) = admitted.inspect_err(|refusal| {
            info!(%refusal, "proxy refused");
            self.sources.meter.session_ended(refusal.label());
        })?;
        let (outgoing, answers) = mpsc::channel(QUEUE);
        let session = run::Session::new(asker, self.sources.clone(), outgoing);
        let (registry, stop) = (self.registry.clone(), self.tasks.token());
        self.tasks.spawn("session", async move {
            Box::pin(run::run(session, &hello, incoming, registry, stop)).await;
        });
        Ok(Box::pin(ReceiverStream::new(answers)))
    }
}

impl Sessions {
    /// Lets a proxy in that proves who it is.
    async fn admit(
        &self,
        peer: Peer,
        incoming: &mut Incoming<ToControl>,
    ) -> Result<(Hello, Asker), Refusal> {
        if self.tasks.token().is_cancelled() {
            return Err(Refusal::Unavailable("this replica is about to stop".into()));
        }
        let identity = hello::certified(peer)?;
        let first = tokio::time::timeout(HELLO, incoming.next()).await;
        let hello = first_message(first.ok().flatten())?;
        let place = tokio::time::timeout(HELLO, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(Refusal::Exhausted("too many proxies connect at once".into()));
        };
        let claims = self.tokens.review(&hello.token).await?;
        let asker = hello::agree(&hello, &claims, identity, &self.trust_domain)?;
        Ok((hello, asker))
    }
}

fn first_message(first: Option<Result<ToControl, Interrupted>>) -> Result<Hello, Refusal> {
    match first {
        Some(Ok(ToControl::Hello(hello))) => Ok(hello),
        Some(Ok(_)) => Err(Refusal::Invalid("the first message must be a hello".into())),
        Some(Err(interrupted)) => Err(Refusal::Invalid(interrupted.to_string())),
        None => Err(Refusal::Invalid("no hello came".into())),
    }
}

/// How long a proxy may take to say who it is.
const HELLO: Duration = Duration::from_secs(10);

/// Messages that wait for one proxy's connection; behind them each key waits at most once.
const QUEUE: usize = 32;
