//! Writes the status of one object: what differs from what was written last, and at most once a
//! second.
//!
//! The newest wanted status wins; those in between are never written. Who must know that something
//! was written down before it acts on it watches [`Written`].

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    apply::within,
    client::{Error, Remedy},
};

/// The object whose status is written, and in whose name.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its kind.
    pub kind: ApiResource,
    /// Its namespace, if it has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid: an object of the same name that was made later is another.
    pub uid: String,
    /// The field manager.
    pub manager: &'static str,
}

/// The status that the API server holds for certain; nothing until the first write.
pub type Written<S> = watch::Receiver<Option<Arc<S>>>;

impl Subject {
    /// The object `object`, written to by `manager`.
    pub fn of<K: Resource<DynamicType = ()>>(object: &K, manager: &'static str) -> Self {
        let meta = object.meta();
        Self {
            kind: ApiResource::erase::<K>(&()),
            namespace: meta.namespace.clone(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            manager,
        }
    }

    fn label(&self) -> String {
        let namespace = self.namespace.as_deref().map(|n| format!("{n}/")).unwrap_or_default();
        format!("status of {} {namespace}{}", self.kind.kind, self.name)
    }
}

/// Writes every status that arrives in `wanted` until `stop` fires, `wanted` closes or the object
/// is gone.
///
/// A last status that is waiting when `stop` fires is not written: whoever acts next writes its
/// own.
pub async fn keep<S>(
    client: Client,
    subject: Subject,
    mut wanted: watch::Receiver<Option<Arc<S>>>,
    written: watch::Sender<Option<Arc<S>>>,
    stop: CancellationToken,
) where
    S: Serialize + Send + Sync,
{
    let api = match &subject.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &subject.kind),
        None => Api::all_with(client, &subject.kind),
    };
    let work = async {
        let mut held = None;
        loop {
            let newest = wanted.borrow_and_update().clone();
            let Some(status) = newest else {
                if wanted.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let next = Next::after(write(&api, &subject, &*status, &mut held).await);
            if matches!(next, Next::Changed | Next::ChangedLater) {
                written.send_replace(Some(status));
            }
            if next.wait(&mut wanted).await.is_break() {
                return;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// What follows an attempt to write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// Nothing was sent: wait for a change.
    Changed,
    /// It was sent: wait for a change, and a second.
    ChangedLater,
    /// It failed: try again, with whatever is wanted then.
    Again,
    /// There is nothing left to write to.
    End,
}

impl Next {
    fn after(outcome: Result<bool, Error>) -> Self {
        match outcome {
            Ok(false) => Self::Changed,
            Ok(true) => Self::ChangedLater,
            Err(error) if is_over(&error) => {
                debug!(%error, "the object is gone");
                Self::End
            }
            Err(error) => {
                warn!(%error, "status not written");
                Self::Again
            }
        }
    }

    async fn wait<T>(self, wanted: &mut watch::Receiver<T>) -> ControlFlow<()> {
        let paused = match self {
            Self::Changed => Duration::ZERO,
            Self::ChangedLater => BETWEEN,
            Self::Again => AFTER_ERROR,
            Self::End => return ControlFlow::Break(()),
        };
        tokio::time::sleep(paused).await;
        if self == Self::Again || wanted.changed().await.is_ok() {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(())
    }
}

/// Writes `status` if it differs from `held`. Says whether it was sent.
async fn write<S: Serialize>(
    api: &Api<DynamicObject>,
    subject: &Subject,
    status: &S,
    held: &mut Option<Value>,
) -> Result<bool, Error> {
    let encode = |source| Error::Encode { object: subject.label(), source };
    let status = without_nulls(serde_json::to_value(status).map_err(encode)?);
    if held.as_ref() == Some(&status) {
        return Ok(false);
    }
    let body = json!({
        "apiVersion": subject.kind.api_version,
        "kind": subject.kind.kind,
        "metadata": { "name": subject.name, "uid": subject.uid },
        "status": status,
    });
    let params = PatchParams::apply(subject.manager).force();
    Box::pin(within(api.patch_status(&subject.name, &params, &Patch::Apply(&body))))
        .await
        .map_err(|source| Error::request("write", subject.label(), source))?;
    *held = Some(status);
    Ok(true)
}

/// A status that cannot be written because its object is gone, or is another one by now (409).
fn is_over(error: &Error) -> bool {
    error.is_not_found() || error.remedy() == Remedy::ReadAgain
}

/// Absent is absent: a null would be a field that we own.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

const BETWEEN: Duration = Duration::from_secs(1);
const AFTER_ERROR: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
