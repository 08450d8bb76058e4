//! Who a proxy is: its certificate proves the account, its token the pod, and both must agree with
//! what it says.

use std::sync::Arc;

use model::identity::{SpiffeId, TrustDomain};
use wire::{
    message::Hello,
    server::{Peer, Refusal},
};

use crate::{sign, token::Claims, view::Asker};

/// The identity that a stream's certificate proves.
pub(super) fn certified(peer: Peer) -> Result<SpiffeId, Refusal> {
    let none = || Refusal::Unauthenticated("a certificate of the mesh is needed".into());
    peer.identity.ok_or_else(none)
}

/// The asker, if token, certificate and Hello agree.
pub(super) fn agree(
    hello: &Hello,
    claims: &Claims,
    identity: SpiffeId,
    domain: &TrustDomain,
) -> Result<Asker, Refusal> {
    let denied = |why: String| Err(Refusal::Denied(why));
    let proved = sign::identity(domain, claims)?;
    if proved != identity {
        return denied(format!("the certificate is of {identity}, the token of {proved}"));
    }
    let Claims { namespace, service_account: _, pod_name, pod_uid } = claims;
    if (&hello.pod_uid, &hello.namespace, &hello.pod_name) != (pod_uid, namespace, pod_name) {
        return denied(format!("the token is of the pod {namespace}/{pod_name} ({pod_uid})"));
    }
    Ok(Asker {
        namespace: Arc::clone(namespace),
        pod_uid: Arc::clone(pod_uid),
        pod_name: Arc::clone(pod_name),
        addresses: Vec::new(),
        identity,
    })
}

#[cfg(test)]
mod tests;
