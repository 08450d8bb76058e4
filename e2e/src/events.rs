//! What was announced of an object.

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};

use crate::World;

/// Whom events are about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Such as `CanaryRollout`.
    pub kind: &'a str,
    /// Where it lives; `default` for what lives in no namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// The reasons of its events since a moment, in the order in which each was first given.
///
/// # Errors
/// If the API server does not answer.
pub async fn reasons(world: &World, about: About<'_>, since: Timestamp) -> Result<Vec<String>> {
    let About { kind, namespace, name } = about;
    let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
    let events = Api::<Event>::namespaced(world.client.clone(), namespace);
    let listed = events.list(&ListParams::default().fields(&selector)).await?;
    let mut given: Vec<_> = listed
        .into_iter()
        .filter_map(|event| Some((last_seen(&event)?, event.reason?)))
        .filter(|(at, _)| *at >= since)
        .collect();
    given.sort();
    let mut reasons: Vec<String> = Vec::new();
    for (_, reason) in given {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    Ok(reasons)
}

fn last_seen(event: &Event) -> Option<Timestamp> {
    let again = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    again.or(event.event_time.as_ref()).map(|time| time.0)
}
