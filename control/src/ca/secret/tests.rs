//! What becomes of the Secret's changes.

use cluster::watch::ObjectName;

use super::*;
use crate::ca::tests::secret_until_2050;

fn publish() -> (Publish, Authorities, Bundles) {
    let ((authority, authorities), (trust, bundles)) = (watch::channel(None), watch::channel(None));
    (Publish { authority, trust }, authorities, bundles)
}

#[test]
fn authority_and_bundle_appear_together() {
    let (publish, authorities, bundles) = publish();
    publish.take(&secret_until_2050());
    let authority = authorities.borrow().clone().unwrap();
    assert!(Arc::ptr_eq(&authority.trust, bundles.borrow().as_ref().unwrap()));
}

#[test]
fn content_that_makes_no_sense_leaves_the_last_in_place() {
    let (publish, authorities, _bundles) = publish();
    publish.take(&secret_until_2050());
    let before = authorities.borrow().clone().unwrap();
    let mut broken = secret_until_2050();
    broken.remove("issuer.key");
    publish.take(&broken);
    assert!(Arc::ptr_eq(&before, authorities.borrow().as_ref().unwrap()));
}

#[test]
fn a_secret_that_is_gone_changes_nothing() {
    let name = || ObjectName::new("serin-system", NAME);
    assert_eq!(newest(Change::Deleted(name())), None);
    assert_eq!(newest(Change::Reset(Vec::new())), None);
    let data = BTreeMap::from([("decision".to_owned(), b"1".to_vec())]);
    assert_eq!(newest(Change::Applied(name(), data.clone())), Some(data.clone()));
    assert_eq!(newest(Change::Reset(vec![(name(), data.clone())])), Some(data));
}
