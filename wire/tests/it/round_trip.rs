//! Bodies keep their meaning, and equal content has equal versions.

use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use wire::{Encoded, version_of};

use crate::arbitrary;

proptest! {
    #[test]
    fn a_resource_comes_out_as_it_went_in(resource in arbitrary::resource()) {
        let encoded = Encoded::new(&resource).unwrap();
        prop_assert_eq!(encoded.decision, resource.decision());
        prop_assert_eq!(encoded.decode().unwrap(), resource);
    }

    #[test]
    fn a_version_is_the_same_wherever_the_content_is(resource in arbitrary::resource()) {
        let elsewhere = Encoded::new(&resource).unwrap().decode().unwrap();
        prop_assert_eq!(version_of(&resource), version_of(&elsewhere));
    }

    #[test]
    fn different_content_has_different_versions(
        (one, other) in (arbitrary::resource(), arbitrary::resource())
            .prop_filter("differ", |(one, other)| one != other)
    ) {
        proptest::prop_assert_ne!(version_of(&one).0, version_of(&other).0);
    }

    #[test]
    fn what_is_held_names_every_rollout_in_it(
        resource in arbitrary::resource(),
        version in any::<u64>(),
    ) {
        let key = arbitrary::key_of(&resource);
        let held = wire::message::Held::resource(key, model::key::Version(version), &resource);
        let named: std::collections::BTreeMap<_, _> =
            held.rollouts.into_iter().map(|held| (held.rollout, held.acked)).collect();
        prop_assert_eq!(named, resource.rollouts());
    }
}
