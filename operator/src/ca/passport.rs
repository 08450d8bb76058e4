//! The operator's own certificate for its streams to the control plane: signed here, renewed at
//! half its life and whenever the authority changes.

use std::{sync::Arc, time::Duration};

use api::names;
use model::{identity::SpiffeId, rotation::Held};
use runtime::tls::Credentials;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{
    View,
    issue::Issue,
    mint::{self, Validity},
};
use crate::{fleet::Passport, session::Shared};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Name(#[from] model::identity::Error),
    #[error(transparent)]
    Mint(#[from] mint::Error),
    #[error(transparent)]
    Tls(#[from] runtime::tls::Error),
}

/// Keeps a certificate until `stop` fires.
pub(crate) async fn keep(
    shared: Shared,
    views: watch::Receiver<View>,
    passports: watch::Sender<Option<Arc<Passport>>>,
    stop: CancellationToken,
) {
    stop.run_until_cancelled(run(shared, views, passports)).await;
}

async fn run(
    shared: Shared,
    mut views: watch::Receiver<View>,
    passports: watch::Sender<Option<Arc<Passport>>>,
) {
    let mut held = None;
    loop {
        let issue = views.borrow_and_update().issue.clone();
        let mut due = LIFETIME / 2;
        if let Some(issue) = issue {
            match sign(&shared, &issue) {
                Ok(passport) => drop(passports.send_replace(Some(Arc::new(passport)))),
                Err(error) => {
                    error!(%error, "no certificate for the operator");
                    due = RETRY;
                }
            }
            held = Some(issue);
        }
        let other = timeout(due, views.wait_for(|view| view.issue != held)).await;
        if matches!(other, Ok(Err(_))) {
            return;
        }
    }
}

fn sign(shared: &Shared, issue: &Issue) -> Result<Passport, Error> {
    let domain = {
        let world = shared.worlds.borrow();
        let mesh = shared.mesh(&world);
        mesh.map(|mesh| mesh.spec.trust_domain.0.clone()).unwrap_or_default()
    };
    let id = |account| SpiffeId::new(domain.parse()?, &shared.operator.namespace, account);
    let validity = Validity { now: shared.clock.now(), lifetime: LIFETIME };
    let leaf = mint::leaf(&issue.issuer, &id(names::OPERATOR)?, validity)?;
    let credentials = Credentials::from_pem(leaf.certificate.as_bytes(), leaf.key.as_bytes())?;
    let anchors = issue.trust.anchors.iter().map(|anchor| anchor.0.clone());
    let held = Held { bundle: Some(issue.trust.fingerprint()), issuer: issue.issuer_fingerprint() };
    let (anchors, control) = (anchors.collect(), id(names::CONTROL)?);
    Ok(Passport { credentials, anchors, control, held })
}

const LIFETIME: Duration = Duration::from_secs(24 * 3600);
const RETRY: Duration = Duration::from_secs(10);
