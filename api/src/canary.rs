//! CanaryRollout: how releases of one workload reach traffic.

#![expect(clippy::duplicated_attributes, reason = "printer columns repeat their type")]
#![expect(unreachable_pub, reason = "KubeSchema puts a public copy of the spec inside a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

/// How releases of one workload reach traffic.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "serin.dev",
    version = "v1alpha1",
    kind = "CanaryRollout",
    plural = "canaryrollouts",
    singular = "canaryrollout",
    shortname = "canary",
    shortname = "canaries",
    category = "serin",
    namespaced,
    status = "CanaryRolloutStatus",
    derive = "PartialEq",
    doc = "How new versions of one workload reach traffic: step by step while they do well, and not at all once they do not.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.display.step"),
    printcolumn(
        name = "Weight",
        type_ = "string",
        json_path = ".status.display.weight",
        description = "what the canary gets of traffic, as every proxy acknowledged it"
    ),
    printcolumn(
        name = "Proxies",
        type_ = "string",
        json_path = ".status.display.proxies",
        description = "proxies that follow the newest decision, of all that call the service"
    ),
    printcolumn(name = "Stable", type_ = "string", json_path = ".status.stableRevision"),
    printcolumn(name = "Canary", type_ = "string", json_path = ".status.canaryRevision"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct CanaryRolloutSpec {
    /// The workload whose releases these are. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.targetRef cannot be changed: make another CanaryRollout"))]
    pub target_ref: TargetRef,
    /// The services whose traffic is divided; all whose selector matches the workload's pods if
    /// absent.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub services: Vec<ServiceRef>,
    /// What the canary gets, step by step. Weights rise.
    #[x_kube(validation = Rule::new("self.all(i, step, i == 0 || self[i - 1].weight < step.weight)").message("spec.steps: each step's weight must be higher than the one before"))]
    #[schemars(length(min = 1, max = 32))]
    #[serde(default = "default_steps")]
    pub steps: Vec<Step>,
    /// What a good release is.
    #[serde(default)]
    pub slo: Slo,
    /// What happens while there are no requests to judge by.
    #[serde(default)]
    pub on_no_traffic: OnNoTraffic,
    /// How many of the proxies that call the service a step need not wait for.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_unsynced: i32,
    /// The longest that one release may take until its pods are let in, apart from times when it is
    /// suspended or held by a shared service; longer than this and it is withdrawn. After that, the
    /// longest that Kubernetes may take for one pod more; longer than this and the release is
    /// halted.
    #[serde(default)]
    pub progress_deadline: Option<Span>,
    /// Stay where it is: no step, no promotion. A bad release is still withdrawn.
    #[serde(default)]
    pub suspend: bool,
    /// Withdraw the release under way. Set it back to go on with the next one.
    #[serde(default)]
    pub abort: bool,
}

/// The workload whose releases these are.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// `apps/v1`.
    #[serde(default = "default_api_version")]
    pub api_version: String,
    /// `Deployment`.
    #[serde(default)]
    pub kind: TargetKind,
    /// The workload's name, in the rollout's own namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The kinds of workload that a rollout may have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    /// A Deployment with the strategy `RollingUpdate`.
    #[default]
    Deployment,
}

/// A service in the rollout's namespace.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceRef {
    /// The service's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// One step.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What the canary gets, in per cent of requests. It never gets more than its share of ready
    /// pods.
    #[schemars(range(min = 1, max = 100))]
    pub weight: u8,
    /// The shortest the step takes, from when every proxy follows it.
    #[serde(default = "default_hold")]
    pub hold: Span,
    /// How many requests the canary must have answered in this step.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub min_requests: u32,
}

/// What a good release is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Slo {
    /// The part of requests that may fail, from 0 to 1, as the callers' proxies see it.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_error_ratio: f64,
    /// Whether the canary is also compared with the other pods in the same time.
    pub compare_to: CompareTo,
    /// How many requests of the canary may fail in all, whatever the ratio; no bound if absent.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub max_failed_requests: Option<u32>,
}

/// What the canary is compared with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum CompareTo {
    /// All other pods of the service, in the same time: a canary that is no worse than they are is
    /// not withdrawn for errors that have another cause.
    #[default]
    Stable,
    /// Nothing but `maxErrorRatio`.
    Nothing,
}

/// What happens while there are no requests to judge by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum OnNoTraffic {
    /// Wait.
    #[default]
    Hold,
    /// Go on when the step's time is over.
    Advance,
}

/// How the rollout is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryRolloutStatus {
    /// The generation of the spec that this status speaks of.
    pub observed_generation: Option<i64>,
    /// Where the release stands.
    pub phase: Option<String>,
    /// Why, in one word.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub message: Option<String>,
    /// The step under way, counted from 0.
    pub step: Option<i32>,
    /// What the data plane was told, and told again to whoever missed it.
    pub decision: Option<DecisionStatus>,
    /// What the canary is to get, in basis points (1 % is 100).
    pub desired_weight: Option<i32>,
    /// What the canary gets at most, as every proxy acknowledged it, in basis points.
    pub observed_weight: Option<i32>,
    /// Proxies that call the service.
    pub proxies: Option<RolloutProxies>,
    /// Revisions that traffic trusts: their pods carry no gate. Empty trusts every revision.
    #[schemars(length(max = 64))]
    pub trusted_revisions: Vec<String>,
    /// The UID of the workload that those revisions are of.
    pub target_uid: Option<String>,
    /// The revision that serves.
    pub stable_revision: Option<String>,
    /// The revision on trial.
    pub canary_revision: Option<String>,
    /// What was counted in this step.
    pub checks: Option<Checks>,
    /// The last release that was withdrawn.
    pub rollback: Option<Rollback>,
    /// The last releases, newest first.
    #[schemars(length(max = 10))]
    pub history: Vec<Release>,
    /// `Ready`, `Progressing`, `Stalled`, and what must be known before anything happens.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Columns that are made of several fields.
    pub display: Option<RolloutDisplay>,
    /// The machine's own record, for the operator that takes over.
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub record: Option<serde_json::Value>,
}

/// What the data plane was told.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DecisionStatus {
    /// Rises with every change; a proxy never follows a lower one again.
    pub number: i64,
    /// The services whose traffic is divided.
    #[schemars(length(max = 16))]
    pub services: Vec<String>,
    /// The revision on trial; none means that nothing is divided.
    pub canary: Option<String>,
    /// What it gets, in basis points.
    pub weight: i32,
    /// Whether its pods serve beside all others: it passed, and its gates are about to open.
    pub joined: bool,
}

/// Proxies that call the service.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutProxies {
    /// All of them.
    pub total: i32,
    /// Those that follow the newest decision.
    pub synced: i32,
    /// Some of the others, as `<namespace>/<name>`.
    #[schemars(length(max = 16))]
    pub laggards: Vec<String>,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Checks {
    /// The verdict.
    pub verdict: String,
    /// Requests that the canary was given.
    pub canary_requests: i64,
    /// Those of them that failed.
    pub canary_failures: i64,
    /// Requests that the others were given.
    pub stable_requests: i64,
    /// Those of them that failed.
    pub stable_failures: i64,
}

/// A release that was withdrawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollback {
    /// The revision.
    pub revision: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// When the first bad response was seen (RFC 3339, with milliseconds).
    pub first_bad_at: Option<String>,
    /// When it was decided.
    pub at: Option<String>,
    /// When the last proxy had stopped sending requests to it.
    pub zero_at: Option<String>,
}

/// A release that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Release {
    /// The revision.
    pub revision: String,
    /// How it ended.
    pub outcome: String,
    /// Why.
    pub message: String,
    /// When it ended.
    pub at: Option<Time>,
    /// What was counted.
    pub checks: Option<Checks>,
}

/// Columns of `kubectl get canary` that are made of several fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutDisplay {
    /// `2/5`.
    pub step: String,
    /// `25%`.
    pub weight: String,
    /// `48/50`.
    pub proxies: String,
}

impl Default for Slo {
    fn default() -> Self {
        Self { max_error_ratio: 0.01, compare_to: CompareTo::default(), max_failed_requests: None }
    }
}

fn default_api_version() -> String {
    "apps/v1".to_owned()
}

fn default_hold() -> Span {
    Span::seconds(30)
}

fn default_steps() -> Vec<Step> {
    let step = |weight| Step { weight, hold: default_hold(), min_requests: 0 };
    vec![step(5), step(20), step(50)]
}
