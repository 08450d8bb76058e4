//! Which of several routes that match a request decides (HTTPRouteRule.matches, "precedence").

use std::{cmp::Reverse, sync::Arc};

use cluster::watch::ObjectName;
use model::route::{PathMatch, RequestMatch, Route};

use super::rule::Rule;

/// A route of the model and its rank.
#[derive(Debug)]
pub(super) struct Candidate {
    rank: Rank,
    route: Route,
}

/// In the order in which it decides; no two candidates have the same.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
struct Rank {
    path: (PathKind, Reverse<usize>),
    /// `false` sorts first.
    any_method: bool,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    /// The older route first, then by name.
    route: (i64, ObjectName),
    /// As written in the route: rule, then match.
    place: (usize, usize),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
enum PathKind {
    Exact,
    Prefix,
}

/// One candidate for each match of each rule.
pub(super) fn candidates(name: &ObjectName, created: i64, rules: Vec<Rule>) -> Vec<Candidate> {
    let text: Arc<str> = name.to_string().into();
    let mut candidates = Vec::new();
    for (index, rule) in rules.into_iter().enumerate() {
        for (place, matches) in rule.matches.into_iter().enumerate() {
            let rank = Rank::of(&matches, (created, name.clone()), (index, place));
            let backends = rule.backends.clone();
            let route = Route { name: Arc::clone(&text), matches, backends };
            candidates.push(Candidate { rank, route });
        }
    }
    candidates
}

/// The routes, the first that matches a request being the one that decides.
pub(super) fn sorted(mut candidates: Vec<Candidate>) -> Vec<Route> {
    candidates.sort_by(|one, other| one.rank.cmp(&other.rank));
    candidates.into_iter().map(|candidate| candidate.route).collect()
}

impl Rank {
    fn of(matches: &RequestMatch, route: (i64, ObjectName), place: (usize, usize)) -> Self {
        let path = match &matches.path {
            PathMatch::Exact(path) => (PathKind::Exact, Reverse(path.chars().count())),
            PathMatch::Prefix(path) => (PathKind::Prefix, Reverse(path.chars().count())),
        };
        Self {
            path,
            any_method: matches.method.is_none(),
            headers: Reverse(matches.headers.len()),
            query: Reverse(matches.query.len()),
            route,
            place,
        }
    }
}

#[cfg(test)]
mod tests;
