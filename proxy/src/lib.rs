//! Serin's sidecar: carries a pod's traffic, both ways, and knows nothing of Kubernetes.
//!
//! The data plane runs on its own single-threaded runtimes and reads what the other half publishes:
//!
//! | room | holds |
//! |---|---|
//! | [`discovery`] | what the control plane says, fetched on demand and kept while it is away |
//! | [`identity`] | the certificate and the roots in use, swapped as one |
//! | [`control`], [`report`] | how the control plane is reached, and what it is told |
//! | [`admin`], [`probe`] | what kubelet, Prometheus and people may ask |
//! | [`sidecar`] | how all of it is put together, and how it ends |
//! | [`settings`] | what the injector says through the environment |
//! | [`drain`] | whether the proxy is on its way out, and who still keeps it |
//! | [`worker`], [`accept`] | the data plane's threads, and how connections come to them |
//! | [`outbound`], [`inbound`] | what the pod's own connections go through, and those from elsewhere |
//! | [`original_dst`], [`detect`] | where a connection was going, and what its client speaks |
//! | [`http`], [`tcp`], [`tls`] | requests, bytes, and who is on the other side |
//! | [`pool`] | endpoints and the connections that are kept to them |
//! | [`balance`] | which endpoint gets the next request, and exact shares of traffic |
//! | [`metrics`], [`telemetry_rows`], [`access_log`], [`trace`] | what is counted, logged and traced |
//! | [`redirect`], [`ports`] | how the pod's traffic comes here, and where to |

pub mod accept;
pub mod access_log;
pub mod admin;
pub mod balance;
mod cause;
pub mod control;
pub mod detect;
pub mod discovery;
pub mod drain;
pub mod http;
pub mod identity;
pub mod inbound;
pub mod metrics;
pub mod original_dst;
pub mod outbound;
pub mod pool;
pub mod ports;
pub mod probe;
pub mod redirect;
pub mod report;
pub mod settings;
pub mod sidecar;
pub mod tcp;
pub mod telemetry_rows;
pub mod tls;
pub mod trace;
pub mod worker;
