//! Server-side apply in the name of one controller, and the end of what it made.
//!
//! One `Applier` per controller: its name is the field manager, so that the API server knows whose
//! each field is and drops the fields that a later apply leaves out.

use std::{fmt, time::Duration};

use k8s_openapi::serde::{Serialize, de::DeserializeOwned};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};

use crate::client::Error;

/// Applies objects as one field manager.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    manager: &'static str,
}

impl Applier {
    /// Applies in the name of `manager`.
    #[must_use]
    pub const fn new(client: Client, manager: &'static str) -> Self {
        Self { client, manager }
    }

    /// Makes the fields that `object` names be as it says, whoever set them before. For objects
    /// that are ours alone. Gives back the object as it now is.
    ///
    /// # Errors
    /// If the API server cannot be reached or refuses.
    pub async fn apply<K>(&self, object: &K) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let name = name_of(object);
        let encode = |source| Error::Encode { object: name.clone(), source };
        let body = serde_json::to_value(object).map_err(encode)?;
        let api = api_of(&self.client, object);
        let target = object.meta().name.as_deref().unwrap_or_default();
        let params = PatchParams::apply(self.manager).force();
        let applied = Box::pin(within(api.patch(target, &params, &Patch::Apply(&body)))).await;
        let applied = applied.map_err(|source| Error::request("apply", &name, source))?;
        serde_json::to_value(&applied).and_then(serde_json::from_value).map_err(encode)
    }

    /// Deletes the object of this kind and name, if it is the one with this uid.
    ///
    /// # Errors
    /// If the API server cannot be reached or refuses; that the object is gone is no error.
    pub async fn delete<K>(&self, object: &K) -> Result<(), Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let name = name_of(object);
        let target = object.meta().name.as_deref().unwrap_or_default();
        let uid = object.meta().uid.clone();
        let only = Preconditions { uid, resource_version: None };
        let params = DeleteParams::background().preconditions(only);
        match Box::pin(within(api_of(&self.client, object).delete(target, &params))).await {
            Ok(_deleted) => Ok(()),
            Err(source) => {
                let error = Error::request("delete", name, source);
                if error.is_not_found() { Ok(()) } else { Err(error) }
            }
        }
    }
}

impl fmt::Debug for Applier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applier").field("manager", &self.manager).finish_non_exhaustive()
    }
}

/// `<kind> <namespace>/<name>`, as errors and logs say it.
#[must_use]
pub fn name_of<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let (kind, meta) = (K::kind(&()), object.meta());
    let name = meta.name.as_deref().unwrap_or_default();
    match &meta.namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// Kinds are erased here, so that namespaced and cluster-wide ones take one path.
fn api_of<K: Resource<DynamicType = ()>>(client: &Client, object: &K) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<K>(&());
    match &object.meta().namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    }
}

/// A request with a deadline: the API server's own is a minute, and we would rather try again.
///
/// # Errors
/// Those of the request, and that there was no answer in time.
pub async fn within<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    let late = || kube::Error::Service("no answer from the API server in time".into());
    tokio::time::timeout(DEADLINE, request).await.unwrap_or_else(|_elapsed| Err(late()))
}

const DEADLINE: Duration = Duration::from_secs(10);
