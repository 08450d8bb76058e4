//! What the mesh's status says of the authority, and when it warns. Pure.

use api::mesh::CaStatus;
use cluster::events::Happening;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use model::{moment::Moment, rotation::Hold};

use super::vault::{Broken, Root, Vault};

/// The status of an authority that holds `hold`.
pub(super) fn of(vault: &Vault, hold: &Hold) -> Result<CaStatus, Broken> {
    let root = Root::of(&vault.active)?;
    let next = vault.next.as_ref().map(Root::of).transpose()?;
    let proof = hold.proof.as_ref();
    let phase = &vault.rotation.phase;
    Ok(CaStatus {
        phase: phase.label().to_owned(),
        active_root: Some(root.fingerprint().short()),
        next_root: next.map(|next| next.fingerprint().short()),
        root_expires_at: Timestamp::from_second(root.expires).ok().map(Time),
        proxies_done: proof.map(|proof| signed(proof.synced)),
        proxies_asked: proof.map(|proof| signed(proof.total)),
        waiting_for: proof
            .map(|proof| proof.laggards.iter().map(|name| (**name).to_owned()).collect())
            .unwrap_or_default(),
        message: hold.waiting.as_ref().map(|waiting| waiting.sentence()),
        decision: i64::try_from(hold.decision).ok(),
        handled_request: vault.rotation.handled.map(time),
        phase_since: phase.change().map(|change| time(change.since)),
        record: serde_json::to_value(&vault.rotation).ok(),
    })
}

/// What is said 60, 30 and 7 days before the root expires.
pub(super) fn expiry_warning(vault: &Vault, now_millis: u64) -> Result<Option<Happening>, Broken> {
    let root = Root::of(&vault.active)?;
    let now = i64::try_from(now_millis / 1000).unwrap_or(i64::MAX);
    let left = root.expires.saturating_sub(now);
    let near = WARNINGS.into_iter().find(|days| left <= days * DAY);
    Ok(near.map(|days| Happening {
        reason: "RootExpiresSoon",
        sentence: format!(
            "root {} expires in less than {days} days, at {}: set spec.ca.rotation.requestedAt, or see \
             status.ca for what its rotation waits for",
            root.fingerprint().short(),
            Timestamp::from_second(root.expires).unwrap_or_default()
        ),
        warning: true,
    }))
}

fn time(moment: Moment) -> Time {
    let seconds = i64::try_from(moment.as_millis() / 1000).unwrap_or(i64::MAX);
    Time(Timestamp::from_second(seconds).unwrap_or_default())
}

fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// In days, the nearest first.
const WARNINGS: [i64; 3] = [7, 30, 60];
const DAY: i64 = 24 * 3600;

#[cfg(test)]
mod tests;
