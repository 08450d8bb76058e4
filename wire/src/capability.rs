//! What a receiver must be able to enforce, by name, so that an older one refuses what it would
//! otherwise silently leave out: protobuf drops fields that it does not know.

use model::{inbound::MtlsMode, resource::Resource};

/// Divides a backend's traffic between revisions.
const SPLIT: &str = "split";
/// Refuses peers without a certificate of the mesh.
const STRICT: &str = "mtls-strict";

/// Everything this version can enforce; what a proxy declares in its Hello.
pub const SUPPORTED: &[&str] = &[SPLIT, STRICT];

/// What whoever applies `resource` must be able to enforce.
pub(crate) fn required_by(resource: &Resource) -> Vec<&'static str> {
    match resource {
        Resource::Service(service) => {
            let split = service.backends.values().any(|backend| backend.split.is_some());
            split.then_some(SPLIT).into_iter().collect()
        }
        Resource::Inbound(inbound) => match inbound.mtls {
            MtlsMode::Strict => vec![STRICT],
            MtlsMode::Permissive => Vec::new(),
        },
        Resource::Destination(_)
        | Resource::Endpoints(_)
        | Resource::Workload(_)
        | Resource::Trust(_)
        | Resource::Mesh(_) => Vec::new(),
    }
}
