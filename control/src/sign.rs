//! Signs workload certificates. Who the caller is comes from its token alone; of the signing
//! request only the public key and its proof of possession are used.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::identity::{SpiffeId, TrustDomain};
use rcgen::{CertificateSigningRequestParams, PKCS_ECDSA_P256_SHA256, PublicKey};
use runtime::clock::Clock;
use rustls_pki_types::CertificateSigningRequestDer;
use tokio::{sync::Semaphore, time::Instant};
use tracing::info;
use wire::{
    message::{SignRequest, SignResponse},
    server::{Identity, Peer, Refusal},
};

use crate::{
    ca::{Authorities, Authority, Error},
    meter::Meter,
    token::{self, Claims, Tokens},
};

/// Signs for pods that prove who they are.
#[derive(Debug)]
pub struct Signer {
    /// The trust domain of every identity.
    pub trust_domain: TrustDomain,
    /// How long a leaf lives.
    pub lifetime: Duration,
    /// What to sign with.
    pub authorities: Authorities,
    /// Who reviews tokens.
    pub tokens: Arc<dyn Tokens>,
    /// The time of day, for certificates.
    pub clock: Clock,
    /// What is counted.
    pub meter: Meter,
    /// Requests that may be in progress at once.
    pub places: Arc<Semaphore>,
}

impl Identity for Signer {
    async fn sign(&self, _peer: Peer, request: SignRequest) -> Result<SignResponse, Refusal> {
        let begin = Instant::now();
        let answer = self.answer(&request).await;
        self.meter.sign_seconds.observe(begin.elapsed().as_secs_f64());
        self.meter.signed(answer.as_ref().map_or_else(Refusal::label, |_| "signed"));
        answer
    }
}

impl Signer {
    async fn answer(&self, request: &SignRequest) -> Result<SignResponse, Refusal> {
        let key = public_key(&request.csr)?;
        let authority = self.authority()?;
        let claims = self.review(request).await?;
        let Claims { namespace, service_account, pod_name, .. } = &claims;
        let identity = identity(&self.trust_domain, &claims)?;
        let (lifetime, now) = (self.lifetime, self.clock.now());
        let chain = authority
            .issuer
            .sign(&identity, &key, lifetime, now)
            .map_err(|error| refusal(&error))?;
        info!(%namespace, %service_account, %pod_name, "certificate signed");
        let chain = chain.into_iter().map(|der| Bytes::from(der.to_vec())).collect();
        Ok(SignResponse { chain, trust: (*authority.trust).clone() })
    }

    fn authority(&self) -> Result<Arc<Authority>, Refusal> {
        let newest = self.authorities.borrow().clone();
        newest.ok_or_else(|| Refusal::Unavailable("there is no authority yet".into()))
    }

    /// Bounded in number and in time: a crowd waits here, not at the API server.
    async fn review(&self, request: &SignRequest) -> Result<Claims, Refusal> {
        let place = tokio::time::timeout(token::DEADLINE, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(Refusal::Exhausted("too many pods ask for certificates".into()));
        };
        self.tokens.review(&request.token).await.map_err(Refusal::from)
    }
}

/// The identity that a token proves.
pub(crate) fn identity(domain: &TrustDomain, claims: &Claims) -> Result<SpiffeId, Refusal> {
    SpiffeId::new(domain.clone(), &claims.namespace, &claims.service_account)
        .map_err(|error| Refusal::Denied(error.to_string()))
}

impl From<token::Error> for Refusal {
    fn from(error: token::Error) -> Self {
        match &error {
            token::Error::Refused(_) => Self::Unauthenticated(error.to_string()),
            token::Error::Unavailable(_) => Self::Unavailable(error.to_string()),
        }
    }
}

/// The key that the request proves to hold.
fn public_key(csr: &[u8]) -> Result<PublicKey, Refusal> {
    let csr = CertificateSigningRequestDer::from(csr);
    let parsed = CertificateSigningRequestParams::from_der(&csr)
        .map_err(|error| Refusal::Invalid(format!("signing request: {error}")))?;
    if *parsed.public_key.algorithm() != PKCS_ECDSA_P256_SHA256 {
        return Err(Refusal::Invalid("signing request: the key is not ECDSA P-256".into()));
    }
    Ok(parsed.public_key)
}

fn refusal(error: &Error) -> Refusal {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Refusal::Unavailable(format!("{error}{}", cause.unwrap_or_default()))
}

/// Token reviews in progress at once.
pub const PLACES: usize = 64;
