//! Notices when something that the operator made is changed or deleted by somebody else.
//!
//! Of each object only a stamp is kept: its generation, which changes with its spec and not with
//! its status, or its resource version where there is none.

use cluster::watch::{Change, Mirror, Watch};
use futures::{StreamExt as _, stream::BoxStream, stream::select_all};
use k8s_openapi::api::{
    admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
        ValidatingWebhookConfiguration,
    },
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRoleBinding, RoleBinding},
};
use kube::{Api, Client, Resource};
use tokio::sync::watch;

type Stamps = BoxStream<'static, Change<String>>;

/// Counts changes in `drifted`, for as long as it is polled.
pub(super) async fn watch(client: Client, own: String, drifted: watch::Sender<u64>) {
    let local = |client: &Client| client.clone();
    let kinds: Vec<Stamps> = vec![
        stamps::<ServiceAccount>(Api::namespaced(local(&client), &own)),
        stamps::<RoleBinding>(Api::namespaced(local(&client), &own)),
        stamps::<Service>(Api::namespaced(local(&client), &own)),
        stamps::<Deployment>(Api::namespaced(local(&client), &own)),
        stamps::<PodDisruptionBudget>(Api::namespaced(local(&client), &own)),
        stamps::<ClusterRoleBinding>(Api::all(local(&client))),
        stamps::<MutatingWebhookConfiguration>(Api::all(local(&client))),
        stamps::<ValidatingWebhookConfiguration>(Api::all(local(&client))),
        stamps::<ValidatingAdmissionPolicy>(Api::all(local(&client))),
        stamps::<ValidatingAdmissionPolicyBinding>(Api::all(local(&client))),
        settings(Api::namespaced(local(&client), &own)),
        lease(Api::namespaced(client, &own)),
    ];
    let mut mirrors: Vec<Mirror<String>> = kinds.iter().map(|_| Mirror::default()).collect();
    let numbered = kinds.into_iter().enumerate();
    let mut all = select_all(numbered.map(|(at, kind)| kind.map(move |c| (at, c)).boxed()));
    while let Some((at, change)) = all.next().await {
        let touched = mirrors.get_mut(at).is_some_and(|mirror| !mirror.apply(change).is_empty());
        if touched {
            drifted.send_modify(|count| *count += 1);
        }
    }
}

fn stamps<K>(api: Api<K>) -> Stamps
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let ours = format!("{}={}", api::names::MANAGED_BY, api::names::OPERATOR);
    Watch::new("Own", api, stamp).labelled(&ours).changes().boxed()
}

/// Our right to ConfigMaps is by name.
fn settings(api: Api<ConfigMap>) -> Stamps {
    Watch::new("Own", api, stamp).named(api::names::WEBHOOK_CONFIG).changes().boxed()
}

/// Renewed every few seconds by whoever holds it: only that it is there counts.
fn lease(api: Api<Lease>) -> Stamps {
    let uid = |lease: &Lease| lease.metadata.uid.clone();
    Watch::new("Own", api, uid).named(api::names::CONTROL).changes().boxed()
}

fn stamp<K: Resource>(object: &K) -> Option<String> {
    let meta = object.meta();
    meta.generation.map(|number| number.to_string()).or_else(|| meta.resource_version.clone())
}
