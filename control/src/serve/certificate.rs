//! What the replica shows to its callers and whom it trusts: a serving certificate signed here,
//! renewed at half its life and whenever the authority changes. Connections that are open keep what
//! they were made with.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use model::identity::{SpiffeId, TrustDomain};
use runtime::{
    clock::Clock,
    tasks::Tasks,
    tls::{self, ClientAuth, PeerVerifier},
};
use rustls::ServerConfig;
use rustls_pki_types::UnixTime;
use tokio::sync::watch;
use tracing::{error, info};

use crate::ca::{self, Authorities, Authority};

/// What is shown now; nothing until there is an authority.
pub type Identities = watch::Receiver<Option<Arc<Shown>>>;

/// A serving certificate, and the roots of the moment.
#[derive(Debug)]
pub struct Shown {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// For everything that is checked after them.
    pub verifier: PeerVerifier,
}

/// How certificates are made.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The replica's own identity.
    pub identity: SpiffeId,
    /// How long a certificate lives.
    pub lifetime: Duration,
    /// What to sign with.
    pub authorities: Authorities,
    /// The time of day, for certificates.
    pub clock: Clock,
}

/// Why no certificate can be shown.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot sign")]
    Sign(#[from] ca::Error),
    #[error("cannot use what was signed")]
    Use(#[from] tls::Error),
}

/// Keeps a certificate ready.
pub fn keep(serving: Serving, tasks: &Tasks) -> Identities {
    let (publish, shown) = watch::channel(None);
    let stop = tasks.token();
    tasks.spawn_critical("certificate", async move {
        stop.run_until_cancelled(renew(serving, publish)).await;
    });
    shown
}

async fn renew(mut serving: Serving, publish: watch::Sender<Option<Arc<Shown>>>) {
    loop {
        let authority = serving.authorities.borrow_and_update().clone();
        let again = match authority.map(|authority| serving.show(&authority)) {
            Some(Ok(shown)) => {
                publish.send_replace(Some(Arc::new(shown)));
                info!("serving certificate signed");
                serving.lifetime / 2
            }
            Some(Err(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                error!(%error, cause, "no new serving certificate, keeping the last one");
                RETRY
            }
            None => serving.lifetime,
        };
        match tokio::time::timeout(again, serving.authorities.changed()).await {
            Ok(Ok(())) | Err(_) => {}
            // Nobody writes authorities any more: the process is about to end.
            Ok(Err(_gone)) => return,
        }
    }
}

impl Serving {
    fn show(&self, authority: &Authority) -> Result<Shown, Error> {
        let (identity, now) = (&self.identity, self.clock.now());
        let credentials = authority.serving.credentials(identity, self.lifetime, now)?;
        let verifier = verifier(authority, identity.trust_domain().clone())?;
        let config =
            tls::server_config(credentials, verifier.clone(), ClientAuth::Optional, &[b"h2"])?;
        Ok(Shown { config: Arc::new(config), verifier })
    }
}

/// Accepts every workload of the trust domain; what it may do is decided by each service.
fn verifier(authority: &Authority, domain: TrustDomain) -> Result<PeerVerifier, tls::Error> {
    let anchors = authority.trust.anchors.iter().map(|anchor| anchor.0.as_slice());
    let accept = move |name: &str| {
        name.parse::<SpiffeId>().is_ok_and(|identity| *identity.trust_domain() == domain)
    };
    PeerVerifier::new(anchors, Arc::new(accept))
}

/// The time of day, as certificates are checked against it.
pub(super) fn unix_time(clock: &Clock) -> UnixTime {
    let since = clock.now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixTime::since_unix_epoch(since)
}

/// How soon another certificate is tried for after a failure.
const RETRY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
