use model::rollout::{Seen, Target};

use super::*;
use crate::rollout::{observe::tests::Small, plan};

/// Runs the machine on what `small` shows until nothing happens any more, and tells the status.
fn settle(small: &Small, mut rollout: Rollout) -> (Rollout, CanaryRolloutStatus) {
    loop {
        let (next, hold, services) = small.look(|sight| {
            let subject = sight.subject();
            let seen = sight.seen(subject.as_ref(), rollout.stable.as_ref(), true);
            let (next, hold) = rollout.clone().next(&plan::of(&small.rollout.spec), &seen);
            (next, hold, subject.map(|s| s.services).unwrap_or_default())
        });
        rollout = next;
        if hold.transition.is_none() {
            let facts = Facts {
                rollout: &rollout,
                hold: &hold,
                services: &services,
                risks: Vec::new(),
                generation: Some(1),
                now: Moment::from_millis(1_000_000),
            };
            let status = facts.status(&[]);
            return (rollout, status);
        }
    }
}

fn condition<'a>(status: &'a CanaryRolloutStatus, name: &str) -> &'a str {
    let found = status.conditions.iter().find(|condition| condition.type_ == name);
    found.map_or("", |condition| condition.status.as_str())
}

#[tokio::test]
async fn a_deployment_at_rest_is_ready_and_its_revision_is_trusted() {
    let (_, status) = settle(&Small::new(), Rollout::default());
    assert_eq!(status.phase.as_deref(), Some("Idle"));
    assert_eq!(status.trusted_revisions, ["v1"]);
    assert_eq!(status.target_uid.as_deref(), Some("d"));
    assert_eq!(condition(&status, "Ready"), "True");
    assert_eq!(condition(&status, "Stalled"), "False");
}

#[tokio::test]
async fn a_new_revision_is_on_trial_and_the_former_one_is_still_trusted() {
    let mut small = Small::new();
    let (rollout, _) = settle(&small, Rollout::default());
    small.deployment("v2", |_| {});
    small.set("v2", 2, 1);
    let (_, status) = settle(&small, rollout);
    assert_eq!(status.phase.as_deref(), Some("Progressing"));
    assert_eq!(status.canary_revision.as_deref(), Some("v2"));
    assert_eq!(status.trusted_revisions, ["v1"]);
    let display = status.display.clone().unwrap();
    assert_eq!((display.step.as_str(), display.weight.as_str()), ("1/3", "0%"));
    assert_eq!(condition(&status, "Ready"), "False");
    assert_eq!(condition(&status, "Progressing"), "True");
}

#[tokio::test]
async fn the_record_is_enough_to_go_on_with() {
    let mut small = Small::new();
    let (rollout, _) = settle(&small, Rollout::default());
    small.deployment("v2", |_| {});
    small.set("v2", 2, 1);
    let (rollout, status) = settle(&small, rollout);
    small.rollout.status = Some(status);
    assert_eq!(crate::rollout::run::Runner::recall(&small.rollout), rollout);
}

#[tokio::test]
async fn a_missing_target_stalls_with_its_reason() {
    let mut small = Small::new();
    small.rollout.spec.target_ref.name = "nobody".to_owned();
    let missing = small.look(|sight| sight.seen(sight.subject().as_ref(), None, true));
    assert!(matches!(missing, Seen { target: Target::Missing, .. }));
    let (_, status) = settle(&small, Rollout::default());
    assert_eq!(condition(&status, "Stalled"), "True");
    assert_eq!(status.reason.as_deref(), Some("NoTarget"));
}

#[test]
fn times_are_written_to_the_millisecond() {
    assert_eq!(with_millis(Moment::from_millis(1_500)), "1970-01-01T00:00:01.500Z");
}
