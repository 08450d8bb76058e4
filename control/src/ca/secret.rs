//! Follows the CA Secret. Content that makes no sense is reported and not followed: what was used before
//! stays in use.

use std::{collections::BTreeMap, sync::Arc};

use cluster::watch::{Change, Meter, Watch};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use runtime::tasks::Tasks;
use tokio::sync::watch;
use tracing::{error, info};

use super::{Authorities, Authority};

/// Follows the Secret `serin-ca` in `namespace`.
pub fn follow(client: Client, namespace: &str, meter: &Meter, tasks: &Tasks) -> Authorities {
    let (publish, authorities) = watch::channel(None);
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let changes = Watch::new("ca-secret", api, |secret: &Secret| Some(data(secret)))
        .named(NAME)
        .metered(meter);
    let stop = tasks.token();
    tasks.spawn_critical("ca-secret", async move {
        let mut changes = std::pin::pin!(changes.changes());
        while let Some(Some(change)) = stop.run_until_cancelled(changes.next()).await {
            take(change, &publish);
        }
    });
    authorities
}

fn take(
    change: Change<BTreeMap<String, Vec<u8>>>,
    publish: &watch::Sender<Option<Arc<Authority>>>,
) {
    let data = match change {
        Change::Applied(_, data) => data,
        Change::Reset(all) => match all.into_iter().next() {
            Some((_, data)) => data,
            None => return,
        },
        // The operator makes it again; until then the last one serves.
        Change::Deleted(_) => return,
    };
    match Authority::read(&data) {
        Ok(authority) => {
            let (decision, issuer) = (authority.trust.decision, authority.issuer.fingerprint());
            info!(decision, issuer = issuer.short(), "authority read");
            publish.send_replace(Some(Arc::new(authority)));
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            error!(%error, cause, "authority not usable, keeping the last one");
        }
    }
}

fn data(secret: &Secret) -> BTreeMap<String, Vec<u8>> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), value.0.clone())).collect()
}

/// The Secret's name.
pub const NAME: &str = "serin-ca";
