//! Serin's sidecar: carries a pod's traffic, both ways, and knows nothing of Kubernetes.
//!
//! The data plane runs on its own single-threaded runtimes and reads what the other half publishes:
//!
//! | room | holds |
//! |---|---|
//! | [`discovery`] | what the control plane says, fetched on demand and kept while it is away |
//! | [`identity`] | the certificate and the roots in use, swapped as one |
//! | [`drain`] | whether the proxy is on its way out, and who still keeps it |
//! | [`redirect`], [`ports`] | how the pod's traffic comes here, and where to |

pub mod discovery;
pub mod drain;
pub mod identity;
pub mod ports;
pub mod redirect;
