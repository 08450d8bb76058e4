//! Opens readiness gates: a level, made so again until the cluster shows it.

use std::{collections::BTreeMap, time::Duration};

use api::names;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use runtime::clock::Clock;
use serde_json::json;
use tokio::{sync::watch, time::timeout};
use tracing::{info, warn};

/// The pods whose gates are to be open and are not, by name and uid.
pub(super) type Shut = BTreeMap<String, String>;

/// Opens the gates of all pods that arrive, for as long as it is polled.
pub(super) async fn keep(
    client: Client,
    clock: Clock,
    namespace: String,
    mut shut: watch::Receiver<Shut>,
) {
    let api: Api<Pod> = Api::namespaced(client, &namespace);
    loop {
        let pods = shut.borrow_and_update().clone();
        let any = !pods.is_empty();
        let opening = stream::iter(pods).for_each_concurrent(AT_ONCE, |(name, uid)| {
            let (api, clock) = (&api, &clock);
            async move { open(api, clock, &name, &uid).await }
        });
        Box::pin(opening).await;
        // The watch takes some milliseconds to show what was done.
        tokio::time::sleep(BREATH).await;
        let waited = timeout(AGAIN, shut.changed()).await;
        match waited {
            Ok(Err(_)) => return,
            Ok(Ok(())) => {}
            Err(_elapsed) if any => {}
            Err(_elapsed) => {
                if shut.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Opens one gate. The uid keeps the patch from a pod of the same name that was made later.
pub(super) async fn open(api: &Api<Pod>, clock: &Clock, name: &str, uid: &str) {
    let millis = i64::try_from(clock.unix_millis()).unwrap_or(i64::MAX);
    let now = Timestamp::from_second(millis / 1000).unwrap_or_default();
    let body = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "uid": uid },
        "status": { "conditions": [{
            "type": names::PROMOTED_GATE,
            "status": "True",
            "reason": "Promoted",
            "lastTransitionTime": now.to_string(),
        }] },
    });
    let params = PatchParams::apply("serin-rollout").force();
    match timeout(DEADLINE, Box::pin(api.patch_status(name, &params, &Patch::Apply(&body)))).await {
        Ok(Ok(_pod)) => info!(pod = name, "gate opened"),
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
            info!(pod = name, "a pod went away before its gate was opened");
        }
        Ok(Err(error)) => warn!(pod = name, %error, "gate not opened"),
        Err(_elapsed) => warn!(pod = name, "gate not opened in time"),
    }
}

const AT_ONCE: usize = 16;
const BREATH: Duration = Duration::from_millis(50);
const AGAIN: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(5);
