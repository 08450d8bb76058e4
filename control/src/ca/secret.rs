//! Follows the CA Secret. Content that makes no sense is reported and not followed: what was used
//! before stays in use.

use std::{collections::BTreeMap, sync::Arc};

use cluster::watch::{Change, Meter, Watch};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use model::trust::Trust;
use runtime::tasks::Tasks;
use tokio::sync::watch;
use tracing::{error, info};

use super::{Authorities, Authority};

/// The newest trust bundle; nothing until there was one.
pub type Bundles = watch::Receiver<Option<Arc<Trust>>>;

/// Follows the Secret `serin-ca` in `namespace`.
pub fn follow(
    client: Client,
    namespace: &str,
    meter: &Meter,
    tasks: &Tasks,
) -> (Authorities, Bundles) {
    let ((authority, authorities), (trust, bundles)) = (watch::channel(None), watch::channel(None));
    let publish = Publish { authority, trust };
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let changes = Watch::new("ca-secret", api, |secret: &Secret| Some(data(secret)));
    let changes = changes.named(NAME).metered(meter).changes();
    let stop = tasks.token();
    tasks.spawn_critical("ca-secret", async move {
        let mut changes = std::pin::pin!(changes);
        while let Some(Some(change)) = stop.run_until_cancelled(changes.next()).await {
            if let Some(data) = newest(change) {
                publish.take(&data);
            }
        }
    });
    (authorities, bundles)
}

struct Publish {
    authority: watch::Sender<Option<Arc<Authority>>>,
    trust: watch::Sender<Option<Arc<Trust>>>,
}

impl Publish {
    fn take(&self, data: &BTreeMap<String, Vec<u8>>) {
        match Authority::read(data) {
            Ok(authority) => {
                let (decision, issuer) = (authority.trust.decision, authority.issuer.fingerprint());
                info!(decision, issuer = issuer.short(), "authority read");
                self.trust.send_replace(Some(Arc::clone(&authority.trust)));
                self.authority.send_replace(Some(Arc::new(authority)));
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                error!(%error, cause, "authority not usable, keeping the last one");
            }
        }
    }
}

/// The content that a change leaves; nothing if the Secret is gone: the operator makes it again,
/// and until then the last one serves.
fn newest(change: Change<BTreeMap<String, Vec<u8>>>) -> Option<BTreeMap<String, Vec<u8>>> {
    match change {
        Change::Applied(_, data) => Some(data),
        Change::Reset(all) => all.into_iter().next().map(|(_, data)| data),
        Change::Deleted(_) => None,
    }
}

fn data(secret: &Secret) -> BTreeMap<String, Vec<u8>> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), value.0.clone())).collect()
}

/// The Secret's name.
pub const NAME: &str = "serin-ca";

#[cfg(test)]
mod tests;
