//! The Deployments of control plane and webhook: what the two have in common, and what they do not.

use std::collections::BTreeMap;

use api::names;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Affinity, Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EnvVar,
            EnvVarSource, HTTPGetAction, ObjectFieldSelector, PodAffinityTerm, PodAntiAffinity,
            PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
            SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
            WeightedPodAffinityTerm,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::label::{local, managed, selected};
use crate::mesh::valid::Valid;

/// What one of our programs runs as.
struct Program<'a> {
    name: &'a str,
    replicas: i32,
    resources: ResourceRequirements,
    port: (&'a str, i32),
    env: Vec<EnvVar>,
    volumes: Vec<(Volume, VolumeMount)>,
    annotations: BTreeMap<String, String>,
}

pub(super) fn control(valid: &Valid) -> Deployment {
    let spec = &valid.spec.control_plane;
    let program = Program {
        name: names::CONTROL,
        replicas: spec.replicas,
        resources: spec.resources.clone().unwrap_or_else(|| resources("100m", "128Mi", "2Gi")),
        port: ("discovery", i32::from(names::CONTROL_PORT)),
        env: vec![
            field("POD_IP", "status.podIP"),
            value("SERIN_TRUST_DOMAIN", &valid.spec.trust_domain.0),
            value("SERIN_LEAF_SECONDS", &valid.spec.ca.leaf_lifetime.0.as_secs().to_string()),
        ],
        volumes: Vec::new(),
        annotations: BTreeMap::new(),
    };
    deployment(valid, program)
}

/// `settings` changes with the webhook's settings, so that they hold as soon as new replicas serve.
pub(super) fn webhook(valid: &Valid, settings: &str) -> Deployment {
    let program = Program {
        name: names::WEBHOOK,
        replicas: valid.spec.injection.replicas,
        resources: resources("50m", "32Mi", "256Mi"),
        port: ("https", 8443),
        env: Vec::new(),
        volumes: vec![
            mounted("tls", names::WEBHOOK_TLS_FOLDER, tls_volume()),
            mounted("config", CONFIG_FOLDER, config_volume()),
        ],
        annotations: [("serin.dev/settings".to_owned(), settings.to_owned())].into(),
    };
    deployment(valid, program)
}

fn deployment(valid: &Valid, program: Program<'_>) -> Deployment {
    let (name, replicas) = (program.name, program.replicas);
    let one = |amount| Some(IntOrString::Int(amount));
    let rolling = RollingUpdateDeployment { max_surge: one(1), max_unavailable: one(0) };
    let strategy = DeploymentStrategy {
        rolling_update: Some(rolling),
        type_: Some("RollingUpdate".to_owned()),
    };
    let selector = LabelSelector { match_labels: Some(selected(name)), match_expressions: None };
    let spec = DeploymentSpec {
        replicas: Some(replicas),
        selector,
        strategy: Some(strategy),
        template: template(valid, program),
        ..DeploymentSpec::default()
    };
    Deployment { metadata: local(valid, name), spec: Some(spec), status: None }
}

fn template(valid: &Valid, program: Program<'_>) -> PodTemplateSpec {
    let annotations = Some(program.annotations.clone()).filter(|all| !all.is_empty());
    let metadata =
        ObjectMeta { labels: Some(managed(program.name)), annotations, ..ObjectMeta::default() };
    let volumes: Vec<Volume> = program.volumes.iter().map(|(volume, _)| volume.clone()).collect();
    let spec = PodSpec {
        service_account_name: Some(program.name.to_owned()),
        termination_grace_period_seconds: Some(30),
        security_context: Some(pod_security()),
        affinity: Some(apart(program.name)),
        volumes: Some(volumes).filter(|all| !all.is_empty()),
        containers: vec![container(valid, program)],
        ..PodSpec::default()
    };
    PodTemplateSpec { metadata: Some(metadata), spec: Some(spec) }
}

fn container(valid: &Valid, program: Program<'_>) -> Container {
    let Program { name, resources, port: (port_name, port), env, volumes, .. } = program;
    let mut all = vec![
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        value("SERIN_LOG", "info"),
    ];
    all.extend(env);
    let mounts: Vec<VolumeMount> = volumes.into_iter().map(|(_, mount)| mount).collect();
    let admin = i32::from(names::CONTROL_ADMIN_PORT);
    Container {
        name: name.trim_start_matches("serin-").to_owned(),
        image: Some(format!("{}/{name}:{}", valid.images, valid.version)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        env: Some(all),
        ports: Some(vec![listens(port_name, port), listens("admin", admin)]),
        readiness_probe: Some(probe("/ready", 5, 2)),
        liveness_probe: Some(probe("/live", 10, 6)),
        resources: Some(resources),
        security_context: Some(container_security()),
        volume_mounts: Some(mounts).filter(|all| !all.is_empty()),
        ..Container::default()
    }
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    let port = IntOrString::String("admin".to_owned());
    let get = HTTPGetAction { path: Some(path.to_owned()), port, ..HTTPGetAction::default() };
    Probe {
        http_get: Some(get),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn listens(name: &str, port: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// Another node if there is one, any node if not.
fn apart(name: &str) -> Affinity {
    let selector = LabelSelector { match_labels: Some(selected(name)), match_expressions: None };
    let term = PodAffinityTerm {
        label_selector: Some(selector),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    };
    let preferred = vec![WeightedPodAffinityTerm { weight: 100, pod_affinity_term: term }];
    let pods = PodAntiAffinity {
        preferred_during_scheduling_ignored_during_execution: Some(preferred),
        required_during_scheduling_ignored_during_execution: None,
    };
    Affinity { pod_anti_affinity: Some(pods), ..Affinity::default() }
}

fn pod_security() -> PodSecurityContext {
    let seccomp = SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None };
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(65_532),
        run_as_group: Some(65_532),
        fs_group: Some(65_532),
        seccomp_profile: Some(seccomp),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    let nothing = Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) };
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(nothing),
        ..SecurityContext::default()
    }
}

fn resources(cpu: &str, memory: &str, limit: &str) -> ResourceRequirements {
    let amount = |name: &str, text: &str| (name.to_owned(), Quantity(text.to_owned()));
    ResourceRequirements {
        requests: Some([amount("cpu", cpu), amount("memory", memory)].into()),
        limits: Some([amount("memory", limit)].into()),
        claims: None,
    }
}

fn tls_volume() -> Volume {
    let secret_name = Some(names::WEBHOOK_TLS_SECRET.to_owned());
    let secret = SecretVolumeSource { secret_name, ..SecretVolumeSource::default() };
    Volume { secret: Some(secret), ..Volume::default() }
}

fn config_volume() -> Volume {
    let name = names::WEBHOOK_CONFIG.to_owned();
    let config_map = ConfigMapVolumeSource { name, ..ConfigMapVolumeSource::default() };
    Volume { config_map: Some(config_map), ..Volume::default() }
}

fn mounted(name: &str, path: &str, volume: Volume) -> (Volume, VolumeMount) {
    let mount = VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    (Volume { name: name.to_owned(), ..volume }, mount)
}

fn value(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}

fn field(name: &str, path: &str) -> EnvVar {
    let field = ObjectFieldSelector { api_version: None, field_path: path.to_owned() };
    let from = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(from) }
}

/// The folder of [`names::WEBHOOK_CONFIG_FILE`].
const CONFIG_FOLDER: &str = "/etc/serin/config";
