//! A route's next status, made from the one it has: our entries as they should be, all others as
//! they are.

use api::gateway::{CONTROLLER_NAME, HttpRouteStatus, RouteParentStatus};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use super::Entry;
use crate::compile::gateway_api::{Said, Verdict};

/// The status to write at `now`; nothing if the route has it already, or one that cannot be read:
/// what others said there would be lost.
pub(super) fn next(entry: &Entry, now: Timestamp) -> Option<HttpRouteStatus> {
    let held = &entry.route.status.as_ref()?.parents;
    let is_ours = |parent: &&RouteParentStatus| parent.controller_name == CONTROLLER_NAME;
    let ours: Vec<&RouteParentStatus> = held.iter().filter(is_ours).collect();
    let others = held.iter().filter(|parent| !is_ours(parent)).cloned();
    let said = entry.verdicts.iter().map(|verdict| {
        let before = ours.iter().find(|parent| parent.parent_ref == verdict.parent);
        speak(verdict, before.copied(), entry.route.generation, now)
    });
    let said: Vec<RouteParentStatus> = said.collect();
    if ours.iter().copied().eq(said.iter()) {
        return None;
    }
    Some(HttpRouteStatus { parents: others.chain(said).collect() })
}

fn speak(
    verdict: &Verdict,
    before: Option<&RouteParentStatus>,
    generation: i64,
    now: Timestamp,
) -> RouteParentStatus {
    let conditions = verdict.conditions.iter().map(|said| {
        let mut held = before.iter().flat_map(|parent| &parent.conditions);
        let held = held.find(|condition| condition.type_ == said.kind);
        condition(said, held, generation, now)
    });
    RouteParentStatus {
        parent_ref: verdict.parent.clone(),
        controller_name: CONTROLLER_NAME.to_owned(),
        conditions: conditions.collect(),
    }
}

/// The time is that of the last change between true and false (KEP-1623).
fn condition(
    said: &Said,
    before: Option<&Condition>,
    generation: i64,
    now: Timestamp,
) -> Condition {
    let status = if said.holds { "True" } else { "False" };
    let since = before.filter(|before| before.status == status);
    Condition {
        type_: said.kind.to_owned(),
        status: status.to_owned(),
        reason: said.reason.to_owned(),
        message: said.message.clone(),
        observed_generation: Some(generation),
        last_transition_time: since.map_or(Time(now), |it| it.last_transition_time.clone()),
    }
}

#[cfg(test)]
mod tests;
