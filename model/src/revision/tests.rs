use super::{InvalidRevision, Revision};

#[test]
fn a_pod_template_hash_is_a_revision() {
    assert_eq!(Revision::new("7d9c6b8f5").unwrap().as_str(), "7d9c6b8f5");
    assert_eq!("v1.2_a-b".parse::<Revision>().unwrap().to_string(), "v1.2_a-b");
}

#[test]
fn what_no_label_can_hold_is_refused() {
    assert_eq!(Revision::new(""), Err(InvalidRevision::Empty));
    assert_eq!(Revision::new("a b"), Err(InvalidRevision::Character { found: ' ' }));
    assert_eq!(Revision::new("a".repeat(64)), Err(InvalidRevision::TooLong { bytes: 64 }));
}
