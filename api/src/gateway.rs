//! The Gateway API's HTTPRoute and ReferenceGrant, as far as a mesh reads them.
//!
//! Foreign kinds are read leniently: what we do not know is kept aside in `unknown`, so that a
//! status can name it instead of ignoring it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fields that this version does not know, by name.
pub type Unknown = BTreeMap<String, serde_json::Value>;

/// HTTPRoute.spec.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    plural = "httproutes",
    namespaced,
    status = "HttpRouteStatus",
    derive = "PartialEq",
    doc = "HTTPRoute of the Gateway API"
)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteSpec {
    /// What the route is attached to: Services, for a mesh.
    pub parent_refs: Vec<ParentRef>,
    /// Only for Gateways (GAMMA: ignored for Services).
    pub hostnames: Vec<String>,
    /// The rules.
    pub rules: Vec<HttpRouteRule>,
}

/// What a route is attached to.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ParentRef {
    /// `""` for Services; `gateway.networking.k8s.io` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `Service`; `Gateway` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The route's own namespace if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// A listener's name, for Gateways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// One port of the service; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteRule {
    /// The rule's name.
    pub name: Option<String>,
    /// Any of these; all requests if empty.
    pub matches: Vec<HttpRouteMatch>,
    /// What is done to requests and responses.
    pub filters: Vec<serde_json::Value>,
    /// Where requests go.
    pub backend_refs: Vec<HttpBackendRef>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What a request must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteMatch {
    /// The path.
    pub path: Option<PathMatch>,
    /// Headers, all of them.
    pub headers: Vec<ValueMatch>,
    /// Query parameters, all of them.
    pub query_params: Vec<ValueMatch>,
    /// The method.
    pub method: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What a path must be.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PathMatch {
    /// `Exact`, `PathPrefix` (the default) or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The path; `/` if absent.
    pub value: Option<String>,
}

/// What a header or a query parameter must be.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueMatch {
    /// `Exact` (the default) or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Where requests go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpBackendRef {
    /// `""` if absent.
    pub group: Option<String>,
    /// `Service` if absent.
    pub kind: Option<String>,
    /// The route's own namespace if absent; another one needs a ReferenceGrant.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The service's port.
    pub port: Option<i32>,
    /// Its part of the requests; 1 if absent.
    pub weight: Option<i32>,
    /// What is done to requests to this backend.
    pub filters: Vec<serde_json::Value>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// HTTPRoute.status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteStatus {
    /// One entry per parent and controller; entries of other controllers are theirs.
    pub parents: Vec<RouteParentStatus>,
}

/// How a route is doing at one parent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteParentStatus {
    /// The parent.
    pub parent_ref: ParentRef,
    /// Who says so.
    pub controller_name: String,
    /// `Accepted` and `ResolvedRefs`.
    pub conditions: Vec<Condition>,
}

/// ReferenceGrant.spec.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1beta1",
    kind = "ReferenceGrant",
    plural = "referencegrants",
    namespaced,
    derive = "PartialEq",
    doc = "ReferenceGrant of the Gateway API"
)]
#[serde(rename_all = "camelCase", default)]
pub struct ReferenceGrantSpec {
    /// Who may refer.
    pub from: Vec<GrantedFrom>,
    /// To what of this namespace.
    pub to: Vec<GrantedTo>,
}

/// Objects that may refer.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantedFrom {
    /// Their group.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// Their namespace.
    pub namespace: String,
}

/// Objects that may be referred to.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantedTo {
    /// Their group.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// The only one that is meant; all if absent.
    pub name: Option<String>,
}

/// The group of the Gateway API.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";
/// The name under which Serin writes statuses of routes.
pub const CONTROLLER_NAME: &str = "serin.dev/mesh-controller";
