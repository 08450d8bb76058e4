//! What is held, as `/config` shows it.

use std::time::{Duration, SystemTime};

use model::{
    endpoint::{Endpoint, Endpoints, Readiness},
    inbound::{Inbound, MtlsMode},
    key::Key,
    mesh::{AccessLog, Encoding, Mesh, OutboundPolicy, Tracing},
    resource::{Destination, Resource},
    route::{PathMatch, Route},
    service::{Backend, Service, Share, Split},
    trust::Trust,
    workload::Workload,
};
use serde_json::{Value, json};

use crate::discovery::{Answer, Line};

/// All subscriptions, each with what it is there for.
pub(super) fn lines(lines: &[Line], now: SystemTime) -> Value {
    lines.iter().map(|it| line(it, &because(&it.key, lines), now)).collect()
}

/// A subscription: what is asked for and why, what is in use (and acked) and since when, what waits
/// to be used, and what could not be.
fn line(line: &Line, because: &[String], now: SystemTime) -> Value {
    let Line { key, version, decision, staged, waits_for, objection, answer, age } = line;
    let (state, resource) = match answer {
        Some(Answer::Found(resource)) => ("found", Some(show(resource))),
        Some(Answer::Absent) => ("absent", None),
        Some(Answer::Unavailable) | None => ("pending", None),
    };
    json!({
        "key": key.to_string(),
        "state": state,
        "because": because,
        "version": version.map(|version| version.to_string()),
        // A version is acked when every worker uses it; what is held back is no version.
        "acked": version.is_some(),
        "decision": decision,
        "staged": staged.map(|version| version.to_string()),
        "waitsFor": waits_for.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "lastError": objection,
        "since": since(now, *age),
        "ageSeconds": age.as_secs(),
        "resource": resource,
    })
}

/// Why `key` is asked for: other keys whose answers name it, or what the pod did.
fn because(key: &Key, lines: &[Line]) -> Vec<String> {
    let names = |held: &Resource| match (key, held) {
        (Key::Service(id), Resource::Destination(Destination::Service(named))) => id == named,
        (Key::Endpoints(id), Resource::Service(service)) => service.backends.contains_key(id),
        _ => false,
    };
    let is_named_by = |line: &&Line| match &line.answer {
        Some(Answer::Found(resource)) => line.waits_for.contains(key) || names(resource),
        Some(Answer::Absent | Answer::Unavailable) | None => line.waits_for.contains(key),
    };
    let named_by: Vec<_> =
        lines.iter().filter(is_named_by).map(|line| line.key.to_string()).collect();
    if !named_by.is_empty() {
        return named_by;
    }
    vec![
        match key {
            Key::Inbound | Key::Trust | Key::Mesh => "every proxy needs it",
            Key::Address(_) | Key::Host(_) => "the pod connected to it",
            Key::Workload(_) => "the pod met it",
            Key::Service(_) => "a route, or an address that is no longer held, named it",
            Key::Endpoints(_) => "a service that is no longer held named it",
        }
        .to_owned(),
    ]
}

/// To within ten seconds, as ages are.
fn since(now: SystemTime, age: Duration) -> Option<String> {
    let at = jiff::Timestamp::try_from(now.checked_sub(age)?).ok()?;
    Some(format!("{at:.0}"))
}

fn show(resource: &Resource) -> Value {
    match resource {
        Resource::Destination(Destination::Service(id)) => json!({ "service": id.to_string() }),
        Resource::Destination(Destination::Workload) => json!("workload"),
        Resource::Service(service) => show_service(service),
        Resource::Endpoints(endpoints) => show_endpoints(endpoints),
        Resource::Workload(workload) => show_workload(workload),
        Resource::Inbound(inbound) => show_inbound(inbound),
        Resource::Trust(trust) => show_trust(trust),
        Resource::Mesh(mesh) => show_mesh(mesh),
    }
}

fn show_service(service: &Service) -> Value {
    let backends = service.backends.iter();
    let backends: Vec<_> =
        backends.map(|(id, backend)| show_backend(&id.to_string(), backend)).collect();
    json!({
        "name": service.name,
        "namespace": service.namespace,
        "protocol": service.protocol.label(),
        "routes": service.routes.iter().map(show_route).collect::<Vec<_>>(),
        "backends": backends,
    })
}

fn show_backend(id: &str, backend: &Backend) -> Value {
    json!({
        "id": id,
        "connectTimeoutMillis": u64::try_from(backend.connect_timeout.as_millis()).ok(),
        "split": backend.split.as_ref().map(show_split),
    })
}

fn show_split(split: &Split) -> Value {
    let share = match split.share {
        Share::Weighted(weight) => weight.to_string(),
        Share::Joined => "joined".to_owned(),
    };
    json!({
        "rollout": split.rollout.to_string(),
        "decision": split.decision,
        "canary": split.canary.as_str(),
        "share": share,
    })
}

fn show_route(route: &Route) -> Value {
    let path = match &route.matches.path {
        PathMatch::Exact(path) => json!({ "exact": path }),
        PathMatch::Prefix(path) => json!({ "prefix": path }),
    };
    let pair = |name: &str, value: &str| json!({ "name": name, "value": value });
    let headers = route.matches.headers.iter().map(|header| pair(&header.name, &header.value));
    let query = route.matches.query.iter().map(|query| pair(&query.name, &query.value));
    let backends = route.backends.iter().map(|backend| {
        json!({
            "service": backend.service.as_ref().map(ToString::to_string),
            "weight": backend.weight,
        })
    });
    json!({
        "name": route.name,
        "path": path,
        "method": route.matches.method,
        "headers": headers.collect::<Vec<_>>(),
        "query": query.collect::<Vec<_>>(),
        "backends": backends.collect::<Vec<_>>(),
    })
}

fn show_endpoints(endpoints: &Endpoints) -> Value {
    let show = |endpoint: &Endpoint| {
        json!({
            "address": endpoint.address.to_string(),
            "identity": endpoint.identity.as_ref().map(ToString::to_string),
            "revision": endpoint.revision.as_ref().map(ToString::to_string),
            "gated": endpoint.readiness == Readiness::Gated,
            "zone": endpoint.zone,
            "keepsCase": endpoint.keeps_case,
        })
    };
    endpoints.endpoints.iter().map(show).collect()
}

fn show_workload(workload: &Workload) -> Value {
    json!({
        "address": workload.address.to_string(),
        "pod": workload.pod,
        "namespace": workload.namespace,
        "workload": workload.workload,
        "app": workload.app,
        "version": workload.version,
        "canonicalName": workload.canonical_name,
        "canonicalRevision": workload.canonical_revision,
        "revision": workload.revision.as_ref().map(ToString::to_string),
        "serviceAccount": workload.service_account,
        "identity": workload.identity.as_ref().map(ToString::to_string),
        "plainPorts": workload.plain_ports,
        "keepsCase": workload.keeps_case,
        "node": workload.node,
        "zone": workload.zone,
    })
}

fn show_inbound(inbound: &Inbound) -> Value {
    let mtls = match inbound.mtls {
        MtlsMode::Permissive => "permissive",
        MtlsMode::Strict => "strict",
    };
    let ports = inbound.ports.iter().map(|(port, facts)| {
        json!({
            "port": port,
            "protocol": facts.protocol.label(),
            "service": facts.service.as_ref().map(|service| service.id.to_string()),
        })
    });
    json!({
        "identity": inbound.identity.to_string(),
        "mtls": mtls,
        "ports": ports.collect::<Vec<_>>(),
    })
}

fn show_trust(trust: &Trust) -> Value {
    let roots = trust.anchors.iter().map(|root| root.fingerprint().to_string());
    json!({
        "decision": trust.decision,
        "fingerprint": trust.fingerprint().to_string(),
        "roots": roots.collect::<Vec<_>>(),
    })
}

fn show_mesh(mesh: &Mesh) -> Value {
    let outbound = match mesh.outbound {
        OutboundPolicy::AllowAny => "allow-any",
        OutboundPolicy::RegistryOnly => "registry-only",
    };
    json!({
        "trustDomain": mesh.trust_domain.as_str(),
        "cidrs": mesh.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "outbound": outbound,
        "accessLog": mesh.access_log.as_ref().map(show_access_log),
        "tracing": mesh.tracing.as_ref().map(show_tracing),
    })
}

fn show_access_log(log: &AccessLog) -> Value {
    let encoding = match log.encoding {
        Encoding::Json => "json",
        Encoding::Text => "text",
    };
    json!({
        "encoding": encoding,
        "sampling": log.sampling.to_string(),
        "onlyErrors": log.only_errors,
    })
}

fn show_tracing(tracing: &Tracing) -> Value {
    json!({
        "url": tracing.url(),
        "protocol": tracing.protocol().to_string(),
        "sampling": tracing.sampling.to_string(),
    })
}
