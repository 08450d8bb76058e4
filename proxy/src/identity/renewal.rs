//! The one task that puts material in use: it has a certificate signed before the old one ages, and
//! follows the roots that control pushes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    identity::SpiffeId,
    key::Key,
    resource::Resource,
    trust::{Fingerprint, Trust},
};
use rcgen::{CertificateParams, KeyPair, SanType};
use runtime::{
    clock::Clock,
    readiness::{Pending, Readiness},
    telemetry,
    tls::{self, Credentials, PeerVerifier, Usage, uri_san},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::message::SignResponse;

use super::{Authority, Identity, Material, authority, metrics::Metrics};
use crate::{
    cause::causes,
    control::Backoff,
    discovery::{Answer, Discovery},
};

/// Keeps an [`Identity`] current.
pub struct Renewal {
    id: SpiffeId,
    identity: Identity,
    discovery: Discovery,
    authority: Arc<dyn Authority>,
    clock: Clock,
    pushed: watch::Receiver<u64>,
    issuer: watch::Receiver<Option<Fingerprint>>,
    metrics: Metrics,
    awaited: Option<Pending>,
    /// When the next certificate is due.
    due: Instant,
}

/// Why an attempt came to nothing.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("failed to make a signing request")]
    Request(#[from] rcgen::Error),
    #[error(transparent)]
    Authority(#[from] authority::Error),
    #[error("control signed a certificate that cannot be used")]
    Unusable(#[from] tls::Error),
    #[error("control signed a certificate for {found}, not for {wanted}")]
    Somebody { found: String, wanted: SpiffeId },
}

impl Renewal {
    /// Keeps `identity` current with certificates for `id`. The process is not ready before the
    /// first.
    #[must_use]
    pub fn new(
        id: SpiffeId,
        identity: Identity,
        discovery: Discovery,
        authority: Arc<dyn Authority>,
        clock: Clock,
    ) -> Self {
        let (pushed, due) = (discovery.changed(), Instant::now());
        let issuer = identity.inner.issuer.subscribe();
        let (metrics, awaited) = (Metrics::default(), None);
        Self { id, identity, discovery, authority, clock, pushed, issuer, metrics, awaited, due }
    }

    /// Shows how it goes.
    #[must_use]
    pub fn shown(mut self, readiness: &Readiness, metrics: &telemetry::Metrics) -> Self {
        self.metrics.register(metrics);
        self.awaited = Some(readiness.token("certificate"));
        self
    }

    /// Keeps the identity current until `stop` fires.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.keep_current() => {}
        }
    }

    #[expect(clippy::infinite_loop, reason = "whoever runs it stops it")]
    async fn keep_current(&mut self) {
        let (mut backoff, mut failures) = (Backoff::new(), 0_u32);
        loop {
            self.wait().await;
            match self.attempt(failures).await {
                Ok(()) => {
                    backoff.reset();
                    failures = 0;
                }
                Err(error) => {
                    let pause = backoff.after_failure();
                    failures = failures.saturating_add(1);
                    self.due = Instant::now() + pause;
                    self.metrics.failed();
                    warn!(error = causes(&error), ?pause, "no certificate");
                }
            }
        }
    }

    /// Waits until a certificate is due, and follows the roots meanwhile.
    async fn wait(&mut self) {
        let identity = self.identity.clone();
        loop {
            tokio::select! {
                biased;
                changed = self.pushed.changed(), if self.discovery_lives() => {
                    if changed.is_ok() {
                        self.follow_roots();
                    }
                }
                () = identity.inner.wanted.notified(), if self.may_be_asked() => {
                    self.bring_forward(Duration::ZERO);
                }
                Ok(()) = self.issuer.changed() => self.follow_issuer(drawn(SPREAD, 0.0)),
                () = tokio::time::sleep_until(self.due) => return,
            }
        }
    }

    fn discovery_lives(&self) -> bool {
        self.pushed.has_changed().is_ok()
    }

    /// Whether someone may ask for a certificate: not before there is one, since then it is on its
    /// way.
    fn may_be_asked(&self) -> bool {
        self.identity.current().is_some()
    }

    async fn attempt(&mut self, failures: u32) -> Result<(), Error> {
        let key = KeyPair::generate()?;
        let authority = Arc::clone(&self.authority);
        let mut signing = authority.sign(request(&self.id, &key)?, failures);
        let signed = loop {
            tokio::select! {
                biased;
                changed = self.pushed.changed(), if self.discovery_lives() => {
                    if changed.is_ok() {
                        self.follow_roots();
                    }
                }
                signed = &mut signing => break signed?,
            }
        };
        self.put_in_use(signed, &key)
    }

    fn put_in_use(&mut self, signed: SignResponse, key: &KeyPair) -> Result<(), Error> {
        let SignResponse { chain, trust } = signed;
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let trust = self.newest(trust);
        check(&self.id, &Credentials { chain: chain.clone(), key: key.clone_key() }, &trust)?;
        self.identity.swap(self.id.clone(), chain, key, trust);
        self.awaited = None;
        if let Some(material) = self.identity.current() {
            self.metrics.signed(material.not_after());
            let left = material.valid_for(&self.clock).unwrap_or(Duration::ZERO);
            let renew_in = half_life(left);
            self.due = Instant::now() + renew_in;
            info!(id = %self.id, ?left, ?renew_in, "certificate in use");
        }
        // The replica that signed may be behind the one that said who signs.
        self.follow_issuer(drawn(ASK_AGAIN, 0.5));
        Ok(())
    }

    /// The roots in use or `offered`, whichever was decided later.
    fn newest(&self, offered: Trust) -> Arc<Trust> {
        let held = self.identity.current().map(|material| Arc::clone(&material.trust));
        [held, self.pushed_roots()].into_iter().flatten().fold(
            Arc::new(offered),
            |newest, other| {
                if other.decision >= newest.decision { other } else { newest }
            },
        )
    }

    fn pushed_roots(&self) -> Option<Arc<Trust>> {
        match self.discovery.current(&Key::Trust)? {
            Answer::Found(Resource::Trust(trust)) => Some(trust),
            Answer::Found(_) | Answer::Absent | Answer::Unavailable => None,
        }
    }

    /// Asks for a new certificate `later` if the one in use is not of the issuer that signs now.
    fn follow_issuer(&mut self, later: Duration) {
        let wanted = *self.issuer.borrow_and_update();
        let Some(leaf) = self.identity.current().and_then(|material| material.leaf()) else {
            return;
        };
        if wanted.is_some_and(|wanted| wanted != leaf.issuer) {
            self.bring_forward(later);
        }
    }

    /// Puts newer roots in use. A certificate that they do not vouch for is replaced at once.
    fn follow_roots(&mut self) {
        let (Some(trust), Some(material)) = (self.pushed_roots(), self.identity.current()) else {
            return;
        };
        if trust.decision < material.trust.decision || trust == material.trust {
            return;
        }
        let Material { id, chain, key, .. } = &*material;
        self.identity.swap(id.clone(), chain.clone(), key.clone_key(), Arc::clone(&trust));
        let is_retired = !leads_to(chain, &trust, &self.clock);
        info!(decision = trust.decision, roots = trust.anchors.len(), is_retired, "roots in use");
        if is_retired {
            self.bring_forward(Duration::ZERO);
        }
    }

    fn bring_forward(&mut self, by: Duration) {
        self.due = self.due.min(Instant::now() + by);
    }
}

fn request(id: &SpiffeId, key: &KeyPair) -> Result<Bytes, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(id.to_string().try_into()?)];
    Ok(Bytes::copy_from_slice(params.serialize_request(key)?.der()))
}

/// Refuses what no handshake could use: better to keep the old certificate than to find out later.
fn check(id: &SpiffeId, credentials: &Credentials, trust: &Trust) -> Result<(), Error> {
    let leaf = credentials.chain.first().ok_or(tls::Error::NoCertificate)?;
    let found = uri_san(leaf)?;
    if found != id.to_string() {
        return Err(Error::Somebody { found, wanted: id.clone() });
    }
    tls::client_config(Some(credentials.clone()), anyone_below(trust)?, &[])?;
    Ok(())
}

/// Whether peers that trust `trust` and nothing else accept `chain`.
pub(super) fn leads_to(chain: &[CertificateDer<'_>], trust: &Trust, clock: &Clock) -> bool {
    let now = Duration::from_millis(clock.unix_millis());
    let now = UnixTime::since_unix_epoch(now);
    anyone_below(trust).is_ok_and(|verifier| verifier.check(chain, Usage::Client, now).is_ok())
}

fn anyone_below(trust: &Trust) -> Result<PeerVerifier, tls::Error> {
    let anchors = trust.anchors.iter().map(|anchor| anchor.0.as_slice());
    PeerVerifier::new(anchors, Arc::new(|_name| true))
}

/// When to renew a certificate that is valid for `left`: about half-way, so that half of its life
/// is left to succeed, and not at the same moment as all others that were signed together.
fn half_life(left: Duration) -> Duration {
    left.mul_f64(rand::random_range(0.45..0.55)).max(SHORTEST)
}

/// Some part of `span`, from `least` of it on.
fn drawn(span: Duration, least: f64) -> Duration {
    span.mul_f64(rand::random_range(least..1.0))
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewal").field("id", &self.id.to_string()).finish_non_exhaustive()
    }
}

/// What all proxies of a mesh spread their requests over when another issuer signs.
const SPREAD: Duration = Duration::from_secs(2);
/// Within what time they ask again if they got a certificate of the old one.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Between two renewals, whatever the certificate says.
const SHORTEST: Duration = Duration::from_secs(1);
