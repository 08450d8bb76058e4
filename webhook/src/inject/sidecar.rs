//! The two containers that a meshed pod gets: the redirection, and the proxy as a native sidecar
//! (KEP-753).

use api::{names, webhook_config::WebhookConfig};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, ExecAction, HTTPGetAction,
        Lifecycle, LifecycleHandler, ObjectFieldSelector, Probe, ResourceRequirements,
        SeccompProfile, SecurityContext,
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};

use super::{Workload, annotations::PodSettings, probes::Probes, volumes};

/// The init container that programs nftables, with the one capability that takes.
pub(super) fn redirect(config: &WebhookConfig, settings: &PodSettings) -> Container {
    let mut args = vec!["redirect".to_owned()];
    for (flag, values) in [
        (names::EXCLUDE_INBOUND_PORTS_FLAG, joined(&settings.exclude_inbound_ports)),
        ("--exclude-outbound-ports", joined(&settings.exclude_outbound_ports)),
        ("--exclude-outbound-cidrs", joined(&settings.exclude_outbound_cidrs)),
        ("--exclude-uids", joined(&settings.exclude_uids)),
    ] {
        if !values.is_empty() {
            args.extend([flag.to_owned(), values]);
        }
    }
    let security = SecurityContext {
        capabilities: Some(Capabilities {
            add: Some(vec!["NET_ADMIN".to_owned()]),
            drop: Some(vec!["ALL".to_owned()]),
        }),
        run_as_user: Some(0),
        run_as_group: Some(0),
        run_as_non_root: Some(false),
        ..confined()
    };
    Container {
        name: names::REDIRECT_CONTAINER.to_owned(),
        image: Some(config.image.clone()),
        args: Some(args),
        resources: Some(redirect_resources()),
        security_context: Some(security),
        ..Default::default()
    }
}

/// The proxy.
pub(super) fn proxy(
    config: &WebhookConfig,
    settings: &PodSettings,
    workload: &Workload,
    probes: &Probes,
) -> Container {
    let security = SecurityContext {
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
        run_as_user: Some(names::PROXY_UID),
        run_as_group: Some(names::PROXY_UID),
        run_as_non_root: Some(true),
        ..confined()
    };
    let drain = ExecAction { command: Some(vec![BINARY.to_owned(), "drain".to_owned()]) };
    let pre_stop = LifecycleHandler { exec: Some(drain), ..Default::default() };
    Container {
        name: names::PROXY_CONTAINER.to_owned(),
        image: Some(config.image.clone()),
        args: Some(vec!["run".to_owned()]),
        restart_policy: Some("Always".to_owned()),
        ports: Some(vec![ContainerPort {
            name: Some("serin-status".to_owned()),
            container_port: i32::from(names::STATUS_PORT),
            protocol: Some("TCP".to_owned()),
            ..Default::default()
        }]),
        env: Some(environment(config, settings, workload, probes)),
        resources: Some(settings.resources.clone()),
        startup_probe: Some(ask("/ready", Timing { period: 1, failures: 600 })),
        readiness_probe: Some(ask("/ready", Timing { period: 5, failures: 3 })),
        liveness_probe: Some(ask("/live", Timing { period: 10, failures: 6 })),
        lifecycle: Some(Lifecycle { pre_stop: Some(pre_stop), ..Default::default() }),
        security_context: Some(security),
        volume_mounts: Some(volumes::mounts()),
        ..Default::default()
    }
}

/// The environment of a proxy that is there already, with the probes of containers that came later.
pub(super) fn with_more_probes(proxy: &Container, probes: &Probes) -> Vec<EnvVar> {
    let mut env = proxy.env.clone().unwrap_or_default();
    let known = env.iter().find(|var| var.name == PROBES).and_then(|var| var.value.as_deref());
    let mut tasks: std::collections::BTreeMap<String, serde_json::Value> =
        known.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    tasks.extend(probes.tasks());
    env.retain(|var| var.name != PROBES);
    env.push(text(PROBES, &serde_json::json!(tasks).to_string()));
    env
}

fn environment(
    config: &WebhookConfig,
    settings: &PodSettings,
    workload: &Workload,
    probes: &Probes,
) -> Vec<EnvVar> {
    let mut env = vec![
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_UID", "metadata.uid"),
        field("POD_IP", "status.podIP"),
        field("POD_IPS", "status.podIPs"),
        field("NODE_NAME", "spec.nodeName"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        text("SERIN_CONTROL", &config.control),
        text("SERIN_TRUST_DOMAIN", &config.trust_domain),
        text("SERIN_WORKLOAD", &workload.name),
        text("SERIN_APP", &workload.app),
        text("SERIN_VERSION", &workload.version),
        text("SERIN_CANONICAL_NAME", &workload.canonical_name),
        text("SERIN_CANONICAL_REVISION", &workload.canonical_revision),
        text("SERIN_REVISION", &workload.revision),
        text("SERIN_LOG", &settings.log_level),
        text("SERIN_DRAIN_SECONDS", &settings.drain_seconds.to_string()),
    ];
    if let Some(access_log) = settings.access_log {
        env.push(text("SERIN_ACCESS_LOG", &access_log.to_string()));
    }
    if let Some(workers) = settings.workers {
        env.push(text("SERIN_WORKERS", &workers.to_string()));
    }
    if !settings.exclude_inbound_ports.is_empty() {
        env.push(text("SERIN_EXCLUDE_INBOUND_PORTS", &joined(&settings.exclude_inbound_ports)));
    }
    if !settings.proxy_protocol_ports.is_empty() {
        env.push(text("SERIN_PROXY_PROTOCOL_PORTS", &joined(&settings.proxy_protocol_ports)));
    }
    if settings.preserve_header_case {
        env.push(text(names::PRESERVE_HEADER_CASE_ENV, "true"));
    }
    if !probes.is_empty() {
        env.push(text(PROBES, &serde_json::json!(probes.tasks()).to_string()));
    }
    env
}

#[derive(Clone, Copy)]
struct Timing {
    period: i32,
    failures: i32,
}

fn ask(path: &str, timing: Timing) -> Probe {
    let port = IntOrString::Int(i32::from(names::STATUS_PORT));
    let http_get = HTTPGetAction { path: Some(path.to_owned()), port, ..Default::default() };
    Probe {
        http_get: Some(http_get),
        period_seconds: Some(timing.period),
        failure_threshold: Some(timing.failures),
        timeout_seconds: Some(3),
        ..Default::default()
    }
}

fn confined() -> SecurityContext {
    let kind = "RuntimeDefault".to_owned();
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        seccomp_profile: Some(SeccompProfile { type_: kind, localhost_profile: None }),
        ..Default::default()
    }
}

fn redirect_resources() -> ResourceRequirements {
    let quantity = |name: &str, amount: &str| (name.to_owned(), Quantity(amount.to_owned()));
    ResourceRequirements {
        requests: Some([quantity("cpu", "10m"), quantity("memory", "16Mi")].into()),
        limits: Some([quantity("memory", "64Mi")].into()),
        claims: None,
    }
}

fn text(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), ..Default::default() }
}

fn field(name: &str, path: &str) -> EnvVar {
    let field_path = path.to_owned();
    let selector = ObjectFieldSelector { field_path, ..Default::default() };
    let source = EnvVarSource { field_ref: Some(selector), ..Default::default() };
    EnvVar { name: name.to_owned(), value_from: Some(source), ..Default::default() }
}

fn joined(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

const BINARY: &str = "/usr/local/bin/serin-proxy";
const PROBES: &str = "SERIN_PROBES";
