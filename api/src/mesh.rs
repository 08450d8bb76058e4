//! MeshInstallation: one mesh, declared.

#![expect(unreachable_pub, reason = "KubeSchema puts a public copy of the spec inside a function")]

use k8s_openapi::{
    api::core::v1::ResourceRequirements,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

pub mod lifetime;
mod telemetry;

pub use self::telemetry::{AccessLog, LogEncoding, LogFilter, OtlpProtocol, Telemetry, Tracing};

/// The mesh of this cluster. There is one, named `default`; `kubectl get mesh` shows it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "serin.dev",
    version = "v1alpha1",
    kind = "MeshInstallation",
    plural = "meshinstallations",
    singular = "mesh",
    shortname = "meshes",
    shortname = "mi",
    category = "serin",
    status = "MeshInstallationStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "The service mesh of this cluster: what is installed, how it behaves, and how it is.",
    validation = Rule::new("self.metadata.name == 'default'")
        .message("a cluster has one mesh and it is named \"default\": rename the object, or change the existing one"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Proxies", type_ = "string", json_path = ".status.display.proxies",
        description = "proxies that hold their newest configuration, of all that live"),
    printcolumn(name = "Unmeshed", type_ = "integer", json_path = ".status.unmeshed",
        description = "pods that should have a proxy and have none"),
    printcolumn(name = "CA", type_ = "string", json_path = ".status.display.ca",
        description = "the phase of a rotation, and how many proxies have done what it asks for"),
    printcolumn(name = "Root-Expires", type_ = "string", json_path = ".status.display.rootExpires"),
    printcolumn(name = "Rollouts", type_ = "string", json_path = ".status.display.rollouts"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Control", type_ = "string", json_path = ".status.display.control", priority = 1,
        description = "control plane replicas that are ready, of all"),
    printcolumn(name = "Webhook", type_ = "string", json_path = ".status.display.webhook", priority = 1,
        description = "webhook replicas that are ready, of all"),
    printcolumn(name = "MTLS", type_ = "string", json_path = ".spec.mtls.mode", priority = 1),
    printcolumn(name = "Laggards", type_ = "string", json_path = ".status.display.laggards", priority = 1,
        description = "proxies that do not hold their newest configuration"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
)]
#[serde(rename_all = "camelCase")]
pub struct MeshInstallationSpec {
    /// The version of Serin to run; the operator's own if absent.
    #[schemars(length(max = 64))]
    #[serde(default)]
    pub version: Option<String>,
    /// Where the control plane lives. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.namespace cannot be changed: delete the mesh and make it again"))]
    #[serde(default)]
    pub namespace: Namespace,
    /// The SPIFFE trust domain of every identity. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.trustDomain cannot be changed: every certificate carries it"))]
    #[serde(default)]
    pub trust_domain: TrustDomainName,
    /// The control plane.
    #[serde(default)]
    pub control_plane: ControlPlane,
    /// Which pods get a proxy, and how.
    #[serde(default)]
    pub injection: Injection,
    /// What every proxy is like, where a pod says nothing else.
    #[serde(default)]
    pub proxy: Proxy,
    /// The addresses of the cluster.
    #[x_kube(validation = Rule::new("self.cidrs.all(cidr, isCIDR(cidr))").message(CIDRS))]
    #[serde(default)]
    pub network: Network,
    /// Mutual TLS.
    #[serde(default)]
    pub mtls: Mtls,
    /// Traffic that leaves the mesh.
    #[serde(default)]
    pub outbound: Outbound,
    /// The certificate authority.
    #[x_kube(
        validation = lifetime::leaf(),
        validation = lifetime::root(),
        validation = lifetime::root_and_leaf()
    )]
    #[serde(default)]
    pub ca: Ca,
    /// Metrics, traces and logs.
    #[serde(default)]
    pub telemetry: Telemetry,
}

/// A namespace's name.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Namespace(
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub String,
);

/// A SPIFFE trust domain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TrustDomainName(
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z0-9._-]+$"))] pub String,
);

/// The control plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ControlPlane {
    /// How many replicas serve proxies.
    #[schemars(range(min = 1, max = 16))]
    pub replicas: i32,
    /// CPU and memory of each replica.
    pub resources: Option<ResourceRequirements>,
}

/// Which pods get a proxy, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Injection {
    /// How many replicas of the webhook run.
    #[schemars(range(min = 1, max = 16))]
    pub replicas: i32,
    /// What the API server does when the webhook does not answer.
    pub failure_policy: FailurePolicy,
    /// Whether `istio-injection=enabled` and `sidecar.istio.io/inject` count as Serin's own labels.
    pub honour_istio_labels: bool,
}

/// What the API server does when the webhook does not answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum FailurePolicy {
    /// Pods are made without a proxy, and counted as unmeshed.
    #[default]
    Ignore,
    /// Pods are refused.
    Fail,
}

/// What every proxy is like, where a pod says nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Proxy {
    /// CPU and memory of each proxy.
    pub resources: Option<ResourceRequirements>,
    /// Data-plane threads; one for each CPU of the limit, at most four, if absent.
    #[schemars(range(min = 1, max = 16))]
    pub workers: Option<i32>,
    /// What proxies log: a level, or a filter of the `tracing` family.
    #[schemars(length(max = 256))]
    pub log_level: String,
    /// The longest a proxy drains when its pod ends.
    pub drain: Span,
}

/// The addresses of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// Pod and service ranges as CIDRs; found from the cluster if absent. Nothing else may live in
    /// them but nodes: meshed pods do not connect to addresses in them at which no pod and no
    /// service is known.
    #[schemars(length(max = 64), inner(length(max = 43)))]
    pub cidrs: Vec<String>,
}

/// Mutual TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Mtls {
    /// What pods do with peers that are not of the mesh.
    pub mode: MtlsMode,
}

/// What pods do with peers that are not of the mesh.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum MtlsMode {
    /// Serve them.
    #[default]
    Permissive,
    /// Refuse them.
    Strict,
}

/// Traffic that leaves the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Outbound {
    /// What happens to destinations that the cluster does not know.
    pub policy: OutboundPolicy,
}

/// What happens to destinations that the cluster does not know.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum OutboundPolicy {
    /// They are reached as if there were no mesh.
    #[default]
    AllowAny,
    /// They are refused.
    RegistryOnly,
}

/// The certificate authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Ca {
    /// How long a root lives: at most 36500d, and at least ten times `leafLifetime`.
    pub root_lifetime: Span,
    /// How long a workload's certificate lives, from 2m to 30d; it is renewed at half of it. The
    /// other half is what the mesh can do without its control plane.
    pub leaf_lifetime: Span,
    /// When and how roots are replaced.
    pub rotation: Rotation,
}

/// When and how roots are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Rotation {
    /// A new time here starts one rotation of the root.
    pub requested_at: Option<Time>,
    /// The time of a rotation that is to go back to the old root.
    pub abort_requested_at: Option<Time>,
}

/// How the mesh is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MeshInstallationStatus {
    /// The generation of the spec that this status speaks of.
    pub observed_generation: Option<i64>,
    /// The version that runs.
    pub version: Option<String>,
    /// `Ready`, `Reconciling`, `Stalled` and what else is to be said.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Proxies that live, and what they hold.
    pub proxies: Option<ProxiesStatus>,
    /// Pods that should have a proxy and have none.
    pub unmeshed: Option<i32>,
    /// Some of those pods, as `<namespace>/<name>`.
    #[schemars(length(max = 16))]
    pub unmeshed_pods: Vec<String>,
    /// The certificate authority.
    pub ca: Option<CaStatus>,
    /// Rollouts of the cluster.
    pub rollouts: Option<RolloutsStatus>,
    /// The columns of `kubectl get mesh`.
    pub display: Option<MeshDisplay>,
}

/// Proxies that live, and what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxiesStatus {
    /// Proxies that live.
    pub total: i32,
    /// Proxies that hold the newest version of all they subscribed to.
    pub synced: i32,
    /// Some of the others, as `<namespace>/<name>`.
    #[schemars(length(max = 16))]
    pub laggards: Vec<String>,
}

/// The certificate authority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CaStatus {
    /// `Idle`, `TrustBoth`, `Issuing`, `Draining` or `Retired`.
    pub phase: String,
    /// The first bytes of the SHA-256 of the root that signs.
    pub active_root: Option<String>,
    /// The same of the root that is to follow.
    pub next_root: Option<String>,
    /// When the root that signs expires.
    pub root_expires_at: Option<Time>,
    /// Live proxies that acked the trust bundle, or hold a leaf of the new issuer, as the phase
    /// asks for.
    pub proxies_done: Option<i32>,
    /// Of how many.
    pub proxies_asked: Option<i32>,
    /// Some of the proxies that the phase waits for, as `<namespace>/<name>`.
    #[schemars(length(max = 16))]
    pub waiting_for: Vec<String>,
    /// What the phase waits for, in a sentence.
    pub message: Option<String>,
    /// The number of the trust bundle's decision.
    pub decision: Option<i64>,
    /// The request that was carried out last, or is being carried out.
    pub handled_request: Option<Time>,
    /// When the phase began.
    pub phase_since: Option<Time>,
    /// The machine's own record, for the operator that takes over.
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub record: Option<serde_json::Value>,
}

/// Rollouts of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutsStatus {
    /// All of them.
    pub total: i32,
    /// Those under way.
    pub active: i32,
    /// Those that took their release back.
    pub failed: i32,
}

/// The columns of `kubectl get mesh` that are made of several fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MeshDisplay {
    /// `48/50`.
    pub proxies: String,
    /// `Idle`, or `Issuing 18/20`.
    pub ca: String,
    /// `3650d`.
    pub root_expires: String,
    /// `1 active`.
    pub rollouts: String,
    /// `2/2`.
    pub control: String,
    /// `2/2`.
    pub webhook: String,
    /// `shop/cart-1, and 3 more`.
    pub laggards: String,
}

impl Default for Namespace {
    fn default() -> Self {
        Self(crate::names::SYSTEM_NAMESPACE.to_owned())
    }
}

impl Default for TrustDomainName {
    fn default() -> Self {
        Self("cluster.local".to_owned())
    }
}

impl Default for ControlPlane {
    fn default() -> Self {
        Self { replicas: 2, resources: None }
    }
}

impl Default for Injection {
    fn default() -> Self {
        let failure_policy = FailurePolicy::default();
        Self { replicas: 2, failure_policy, honour_istio_labels: false }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        let (log_level, drain) = ("info".to_owned(), Span::seconds(30));
        Self { resources: None, workers: None, log_level, drain }
    }
}

impl Default for Ca {
    fn default() -> Self {
        let (root_lifetime, leaf_lifetime) = (Span::days(3650), Span::hours(24));
        Self { root_lifetime, leaf_lifetime, rotation: Rotation::default() }
    }
}

const CIDRS: &str =
    "spec.network.cidrs: each must be a range of addresses such as 10.0.0.0/8 or fd00::/8";
