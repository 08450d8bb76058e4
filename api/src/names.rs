//! Labels, annotations, container names and ports that users, dashboards and other controllers may
//! rely on.

/// The API group.
pub const GROUP: &str = "serin.dev";

/// On a namespace or a pod: [`ENABLED`], [`DISABLED`], or on a namespace [`REQUIRED`].
pub const INJECTION: &str = "serin.dev/injection";
/// Pods get a proxy.
pub const ENABLED: &str = "enabled";
/// Pods get no proxy.
pub const DISABLED: &str = "disabled";
/// Pods get a proxy, and pods without one are refused.
pub const REQUIRED: &str = "required";
/// Istio's injection label, honoured where the installation says so.
pub const ISTIO_INJECTION: &str = "istio-injection";
/// Istio's per-pod injection label and annotation.
pub const ISTIO_INJECT: &str = "sidecar.istio.io/inject";
/// Istio's revision label on a namespace or pod.
pub const ISTIO_REV: &str = "istio.io/rev";

/// Annotation of injected pods: the version of the proxy that was injected.
pub const INJECTED: &str = "serin.dev/injected";
/// Label of injected pods, so that they can be listed.
pub const MESHED: &str = "serin.dev/meshed";
/// The readiness gate of pods that a rollout has not promoted yet.
pub const PROMOTED_GATE: &str = "serin.dev/promoted";
/// Kubernetes' own label with the hash of a Deployment's template.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// Annotation: ports that the proxy does not take inbound, separated by commas.
pub const EXCLUDE_INBOUND_PORTS: &str = "serin.dev/exclude-inbound-ports";
/// The flag of `serin-proxy redirect` that tells it of these ports. Written into the pod, where the
/// control plane reads it: what counts is what was done, not what the annotation says now.
pub const EXCLUDE_INBOUND_PORTS_FLAG: &str = "--exclude-inbound-ports";
/// Annotation: ports of the pod that a load balancer speaks the PROXY protocol to, separated by
/// commas.
pub const PROXY_PROTOCOL_PORTS: &str = "serin.dev/proxy-protocol-ports";
/// Annotation: `true` keeps the names of headers as they were written, to and from this pod.
pub const PRESERVE_HEADER_CASE: &str = "serin.dev/preserve-header-case";
/// How the proxy is told of it. Written into the pod, where the control plane reads it.
pub const PRESERVE_HEADER_CASE_ENV: &str = "SERIN_PRESERVE_HEADER_CASE";
/// Annotation: ports that the proxy does not take outbound, separated by commas.
pub const EXCLUDE_OUTBOUND_PORTS: &str = "serin.dev/exclude-outbound-ports";
/// Annotation: destinations that the proxy does not take, as CIDRs separated by commas.
pub const EXCLUDE_OUTBOUND_CIDRS: &str = "serin.dev/exclude-outbound-cidrs";
/// Annotation: users of the pod whose connections the proxy does not take, as numbers separated by
/// commas.
pub const EXCLUDE_UIDS: &str = "serin.dev/exclude-uids";
/// Annotation: `info`, or any filter of the `tracing` family.
pub const LOG_LEVEL: &str = "serin.dev/log-level";
/// Annotation: `true` logs every request of this pod's proxy.
pub const ACCESS_LOG: &str = "serin.dev/access-log";
/// Annotation: how many data-plane workers the pod's proxy runs.
pub const WORKERS: &str = "serin.dev/workers";
/// Annotation: the longest the proxy drains when the pod ends, for example `30s`.
pub const DRAIN: &str = "serin.dev/drain";
/// Annotation: CPU request of the proxy.
pub const PROXY_CPU: &str = "serin.dev/proxy-cpu";
/// Annotation: CPU limit of the proxy.
pub const PROXY_CPU_LIMIT: &str = "serin.dev/proxy-cpu-limit";
/// Annotation: memory request of the proxy.
pub const PROXY_MEMORY: &str = "serin.dev/proxy-memory";
/// Annotation: memory limit of the proxy.
pub const PROXY_MEMORY_LIMIT: &str = "serin.dev/proxy-memory-limit";

/// The sidecar's container name.
pub const PROXY_CONTAINER: &str = "serin-proxy";
/// The init container that sets up the redirection.
pub const REDIRECT_CONTAINER: &str = "serin-redirect";
/// The sidecar's user and group.
pub const PROXY_UID: i64 = 1337;
/// Where the proxy takes inbound connections.
pub const INBOUND_PORT: u16 = 15006;
/// Where the proxy takes outbound connections.
pub const OUTBOUND_PORT: u16 = 15001;
/// The proxy's probes and metrics, on the pod's address.
pub const STATUS_PORT: u16 = 15020;
/// The proxy's own administration, on localhost.
pub const ADMIN_PORT: u16 = 15000;
/// Where control planes serve discovery and identity.
pub const CONTROL_PORT: u16 = 15012;
/// Where control plane, operator and webhook serve probes and metrics.
pub const CONTROL_ADMIN_PORT: u16 = 15014;

/// Namespaces that are never meshed, beside the mesh's own.
pub const NEVER_MESHED: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// Containers by which the proxy of another mesh is known.
pub const OTHER_PROXIES: [&str; 4] =
    ["istio-proxy", "linkerd-proxy", "consul-dataplane", "kuma-sidecar"];
/// Annotation of the kubelet's own pods, which are made from files.
pub const MIRROR: &str = "kubernetes.io/config.mirror";
/// Label of nodes with their operating system, by which pods choose it.
pub const NODE_OS: &str = "kubernetes.io/os";

/// The default namespace of the installation.
pub const SYSTEM_NAMESPACE: &str = "serin-system";
/// The operator's Deployment and service account.
pub const OPERATOR: &str = "serin-operator";
/// The control plane's Deployment, Service and service account.
pub const CONTROL: &str = "serin-control";
/// The webhook's Deployment, Service, service account and admission configurations.
pub const WEBHOOK: &str = "serin-webhook";
/// ConfigMap with the trust bundle, in every namespace with meshed pods.
pub const TRUST_CONFIG_MAP: &str = "serin-trust";
/// The key in [`TRUST_CONFIG_MAP`] and in [`CA_SECRET`] that holds the bundle in PEM.
pub const TRUST_KEY: &str = "trust.pem";
/// Secret with what signs workload certificates; the control plane reads it.
pub const CA_SECRET: &str = "serin-ca";
/// Secret with the root keys; only the operator reads it.
pub const CA_ROOT_SECRET: &str = "serin-ca-root";
/// Secret with the webhook's serving certificate.
pub const WEBHOOK_TLS_SECRET: &str = "serin-webhook-tls";
/// Where the webhook finds [`WEBHOOK_TLS_SECRET`]: `tls.crt`, `tls.key`, `ca.crt`.
pub const WEBHOOK_TLS_FOLDER: &str = "/etc/serin/tls";
/// ConfigMap with what the webhook injects: [`crate::webhook_config`].
pub const WEBHOOK_CONFIG: &str = "serin-webhook-config";
/// The key in [`WEBHOOK_CONFIG`].
pub const WEBHOOK_CONFIG_KEY: &str = "config.json";
/// Where the webhook finds it.
pub const WEBHOOK_CONFIG_FILE: &str = "/etc/serin/config/config.json";
/// Where images come from, unless the operator is told otherwise.
pub const IMAGES: &str = "serin.dev";
/// The audience of the tokens that proxies prove themselves with.
pub const TOKEN_AUDIENCE: &str = "serin";
/// Label that every object made by the operator carries.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
