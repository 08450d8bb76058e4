//! The guard of stable capacity: no gate is held when nobody else could serve.

use std::time::Duration;

/// How long canary pods may all be unready before that is a failure of the release. A restart of the kubelet makes
/// a node's gated pods look unready for up to a probe's period.
pub const FLAP: Duration = Duration::from_secs(30);

/// How long pods that are wanted beside the canary may serve nobody before its gates are opened. Kubernetes takes
/// away unready old pods first, so a gate that opened at their first flap would end the release's trial.
pub const DARK: Duration = Duration::from_secs(15);
