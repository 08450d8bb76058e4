//! What is said of a route: whether it is in force at each service it is attached to, whether its
//! backends resolve, and what of it is not carried out.

use api::gateway::ParentRef;
use cluster::watch::ObjectName;

use super::{Parent, Problem, Reading, read};
use crate::{index::World, watch::HttpRoute};

/// How a route is doing at one service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// The service, as the route names it.
    pub parent: ParentRef,
    /// The conditions that hold; one that is not among them is to be absent.
    pub conditions: Vec<Said>,
}

/// A condition without its times.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// Its type.
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in one word of the Gateway API.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

/// What is said of the route `name`, for each service it is attached to. What other kinds of
/// parents say is not ours to know.
#[must_use]
pub fn verdicts(world: &World, name: &ObjectName, route: &HttpRoute) -> Vec<Verdict> {
    let reading = read(world, name, &route.spec);
    let of_parent = |reference: &ParentRef| {
        let parent = Parent::parse(reference, name)?;
        let conditions = match &route.unreadable {
            Some(why) => vec![unreadable(why)],
            None => conditions(world, &parent, &reading),
        };
        Some(Verdict { parent: reference.clone(), conditions })
    };
    route.spec.parent_refs.iter().filter_map(of_parent).collect()
}

fn conditions(world: &World, parent: &Parent, reading: &Reading) -> Vec<Said> {
    let mut conditions = vec![accepted(world, parent, reading), resolved(reading)];
    let nothing_left = reading.rules.is_empty();
    if !reading.problems.is_empty() && !nothing_left {
        conditions.push(Said {
            kind: "PartiallyInvalid",
            holds: true,
            reason: UNSUPPORTED,
            message: problems(reading),
        });
    }
    conditions
}

fn unreadable(why: &str) -> Said {
    let message = format!("not in force, because it cannot be read: {why}");
    Said { kind: "Accepted", holds: false, reason: UNSUPPORTED, message }
}

fn accepted(world: &World, parent: &Parent, reading: &Reading) -> Said {
    let said = |holds, reason, message| Said { kind: "Accepted", holds, reason, message };
    let service = &parent.service;
    let Some(found) = world.services.get(service) else {
        let text = format!("there is no service {service}, or it has no TCP ports of its own");
        return said(false, NO_PARENT, text);
    };
    if !found.ports.iter().any(|port| parent.takes(port)) {
        let text = format!("service {service} has no such port");
        return said(false, NO_PARENT, text);
    }
    if reading.rules.is_empty() && !reading.problems.is_empty() {
        return said(false, UNSUPPORTED, problems(reading));
    }
    said(true, "Accepted", format!("in force for service {service}"))
}

fn resolved(reading: &Reading) -> Said {
    let said = |holds, reason, message| Said { kind: "ResolvedRefs", holds, reason, message };
    match reading.unresolved.first() {
        None => said(true, "ResolvedRefs", "every backend is there".to_owned()),
        Some((reason, _)) => {
            let sentences = reading.unresolved.iter().map(|(_, sentence)| sentence.clone());
            let text = format!("answered with 500: {}", listed(sentences));
            said(false, reason.label(), text)
        }
    }
}

/// A message about dropped rules begins with these two words (RouteConditionPartiallyInvalid).
fn problems(reading: &Reading) -> String {
    let sentences = |wanted: fn(&Problem) -> Option<&String>| {
        let found: Vec<String> = reading.problems.iter().filter_map(wanted).cloned().collect();
        (!found.is_empty()).then(|| listed(found.into_iter()))
    };
    let dropped = sentences(|problem| match problem {
        Problem::Dropped(text) => Some(text),
        Problem::Failed(_) | Problem::Ignored(_) => None,
    });
    let failed = sentences(|problem| match problem {
        Problem::Failed(text) => Some(text),
        Problem::Dropped(_) | Problem::Ignored(_) => None,
    });
    let ignored = sentences(|problem| match problem {
        Problem::Ignored(text) => Some(text),
        Problem::Dropped(_) | Problem::Failed(_) => None,
    });
    let parts = [
        dropped
            .map(|text| format!("Dropped Rule, or the part of it that cannot be matched: {text}")),
        failed.map(|text| format!("answered with 500: {text}")),
        ignored,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(". ")
}

/// The first few, and how many more there are: a message has a bound.
fn listed(sentences: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = sentences.collect();
    let mut text = all.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
    if all.len() > LISTED {
        text.push_str(&format!("; and {} more", all.len() - LISTED));
    }
    text
}

const NO_PARENT: &str = "NoMatchingParent";
const UNSUPPORTED: &str = "UnsupportedValue";
const LISTED: usize = 8;

#[cfg(test)]
mod tests;
