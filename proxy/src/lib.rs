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
//! | [`detect`] | what a client speaks, told from its first bytes |
//! | [`balance`] | which endpoint gets the next request, and exact shares of traffic |
//! | [`metrics`], [`telemetry_rows`] | what is counted, for Prometheus and for rollouts |
//! | [`redirect`], [`ports`] | how the pod's traffic comes here, and where to |

pub mod admin;
pub mod balance;
mod cause;
pub mod control;
pub mod detect;
pub mod discovery;
pub mod drain;
pub mod identity;
pub mod metrics;
pub mod ports;
pub mod probe;
pub mod redirect;
pub mod report;
pub mod settings;
pub mod sidecar;
pub mod telemetry_rows;
