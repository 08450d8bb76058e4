//! A route's rules, read: what is carried out, and what is wrong with the rest.
//!
//! Nothing that is asked for is left out in silence. A filter that cannot be carried out fails its
//! rule, as the Gateway API demands; a match that cannot be carried out drops; a field that only
//! tunes (timeouts, retries) has no effect. Each is named for the route's status.

use api::gateway::{HttpBackendRef, HttpRouteRule, HttpRouteSpec};
use cluster::watch::ObjectName;
use model::{
    route::{RequestMatch, WeightedBackend},
    service::ServiceId,
};
use serde_json::Value;

use super::{matching::request_match, parent::Parent};
use crate::index::World;

/// What a route says.
#[derive(Debug, Default)]
pub struct Reading {
    /// The rules that are carried out.
    pub(super) rules: Vec<Rule>,
    /// What is not carried out, and what happens instead.
    pub problems: Vec<Problem>,
    /// Backends that do not resolve: why, and a sentence.
    pub unresolved: Vec<(Reason, String)>,
}

/// A rule that is carried out.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) matches: Vec<RequestMatch>,
    pub(super) backends: Vec<WeightedBackend>,
    services: Vec<(ServiceId, ObjectName)>,
}

/// Something in a rule that is not carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    /// The match is not there for us; a rule of which no match is left is dropped.
    Dropped(String),
    /// Requests that match are answered with 500.
    Failed(String),
    /// The field has no effect.
    Ignored(String),
}

/// Why a backend does not resolve (RouteConditionReason).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// It is no Service.
    InvalidKind,
    /// It is in another namespace, which did not allow that.
    RefNotPermitted,
    /// There is no such service, or it has no such port.
    BackendNotFound,
}

/// Reads the spec of the route `name`.
#[must_use]
pub fn read(world: &World, name: &ObjectName, spec: &HttpRouteSpec) -> Reading {
    let parents = spec.parent_refs.iter().filter_map(|parent| Parent::parse(parent, name));
    let parents: Vec<ObjectName> = parents.map(|parent| parent.service).collect();
    let mut reader = Reader { world, name, parents, reading: Reading::default() };
    for (index, rule) in spec.rules.iter().enumerate() {
        reader.rule(index, rule);
    }
    reader.reading
}

impl Reading {
    /// The services that the rules name.
    pub(super) fn services(&self) -> impl Iterator<Item = (ServiceId, ObjectName)> + '_ {
        self.rules.iter().flat_map(|rule| rule.services.iter().cloned())
    }
}

#[cfg(test)]
impl Rule {
    pub(super) fn for_tests(matches: RequestMatch) -> Self {
        Self { matches: vec![matches], backends: Vec::new(), services: Vec::new() }
    }
}

impl Reason {
    /// As it stands in a condition.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::InvalidKind => "InvalidKind",
            Self::RefNotPermitted => "RefNotPermitted",
            Self::BackendNotFound => "BackendNotFound",
        }
    }
}

struct Reader<'a> {
    world: &'a World,
    name: &'a ObjectName,
    parents: Vec<ObjectName>,
    reading: Reading,
}

impl Reader<'_> {
    fn rule(&mut self, index: usize, rule: &HttpRouteRule) {
        let place = format!("rules[{index}]");
        for field in rule.unknown.keys() {
            let text = format!("{place}.{field} is not implemented and has no effect");
            self.reading.problems.push(Problem::Ignored(text));
        }
        let matches = self.matches(&place, rule);
        if matches.is_empty() {
            return;
        }
        let mut services = Vec::new();
        let mut backends = Vec::new();
        for (index, backend) in rule.backend_refs.iter().enumerate() {
            let place = format!("{place}.backendRefs[{index}]");
            let service = self.backend(&place, backend);
            services.extend(service.clone());
            let weight = u32::try_from(backend.weight.unwrap_or(1)).unwrap_or(0);
            backends.push(WeightedBackend { service: service.map(|(id, _)| id), weight });
        }
        if self.has_filters(&place, &rule.filters) {
            (services, backends) = (Vec::new(), Vec::new());
        }
        self.reading.rules.push(Rule { matches, backends, services });
    }

    /// A rule without matches means every request.
    fn matches(&mut self, place: &str, rule: &HttpRouteRule) -> Vec<RequestMatch> {
        if rule.matches.is_empty() {
            return vec![RequestMatch::default()];
        }
        let mut matches = Vec::new();
        for (index, wanted) in rule.matches.iter().enumerate() {
            match request_match(wanted) {
                Ok(read) => matches.push(read),
                Err(field) => {
                    let text = format!("{place}.matches[{index}]: {field} is not implemented");
                    self.reading.problems.push(Problem::Dropped(text));
                }
            }
        }
        matches
    }

    fn backend(
        &mut self,
        place: &str,
        backend: &HttpBackendRef,
    ) -> Option<(ServiceId, ObjectName)> {
        for field in backend.unknown.keys() {
            let text = format!("{place}.{field} is not implemented and has no effect");
            self.reading.problems.push(Problem::Ignored(text));
        }
        let found = match self.resolve(place, backend) {
            Ok(found) => Some(found),
            Err(unresolved) => {
                self.reading.unresolved.push(unresolved);
                None
            }
        };
        if self.has_filters(place, &backend.filters) { None } else { found }
    }

    fn resolve(
        &self,
        place: &str,
        backend: &HttpBackendRef,
    ) -> Result<(ServiceId, ObjectName), (Reason, String)> {
        let (group, kind) = (backend.group.as_deref(), backend.kind.as_deref());
        if group.is_some_and(|group| !group.is_empty()) || kind.unwrap_or("Service") != "Service" {
            let text = format!("{place} is no Service");
            return Err((Reason::InvalidKind, text));
        }
        let namespace = backend.namespace.as_deref().unwrap_or(&self.name.namespace);
        let service = ObjectName::new(namespace, &backend.name);
        // Callers reach the parent with or without the route, so naming it needs nobody's
        // permission.
        let own = &*self.name.namespace;
        let is_allowed = *namespace == *own || self.parents.contains(&service);
        if !is_allowed && !self.world.is_granted(own, &service) {
            let text = format!(
                "{place}: {service} is in another namespace, where no ReferenceGrant lets \
                 HTTPRoutes of {own} lead to it"
            );
            return Err((Reason::RefNotPermitted, text));
        }
        let missing = |what: String| (Reason::BackendNotFound, what);
        let Some(found) = self.world.services.get(&service) else {
            return Err(missing(format!("{place}: service {service} does not exist")));
        };
        let Some(number) = backend.port else {
            return Err(missing(format!("{place}: a Service needs a port")));
        };
        let port = u16::try_from(number).ok().filter(|number| found.port(*number).is_some());
        let port = port
            .ok_or_else(|| missing(format!("{place}: service {service} has no port {number}")))?;
        Ok((self.world.service_id(&service, port), service))
    }

    /// Filters that cannot be carried out must not be skipped: requests get an error instead
    /// (HTTPRouteRule.filters).
    fn has_filters(&mut self, place: &str, filters: &[Value]) -> bool {
        for (index, filter) in filters.iter().enumerate() {
            let kind = filter.get("type").and_then(Value::as_str).unwrap_or("?");
            let text = format!("{place}.filters[{index}]: {kind} is not implemented");
            self.reading.problems.push(Problem::Failed(text));
        }
        !filters.is_empty()
    }
}
