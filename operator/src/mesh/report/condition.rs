//! Conditions, as kstatus reads them: `Ready`, and `Reconciling` and `Stalled` while something
//! keeps it from being so.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What a condition says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Says {
    pub(crate) type_: &'static str,
    pub(crate) status: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// The conditions that `says` makes, keeping the time of the last change of those in `before`.
pub(crate) fn merge(
    before: &[Condition],
    says: Vec<Says>,
    generation: Option<i64>,
    now: &Time,
) -> Vec<Condition> {
    let made = says.into_iter().map(|Says { type_, status, reason, message }| {
        let status = if status { "True" } else { "False" };
        let same = before.iter().find(|held| held.type_ == type_ && held.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason,
            message,
            last_transition_time: same
                .map_or_else(|| now.clone(), |held| held.last_transition_time.clone()),
            observed_generation: generation,
        }
    });
    made.collect()
}
