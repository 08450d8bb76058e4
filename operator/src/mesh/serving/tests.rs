use api::mesh::{MeshInstallation, MeshInstallationSpec};

use super::*;
use crate::mesh::valid::{Operator, validate};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn valid() -> Valid {
    let mut mesh = MeshInstallation::new("default", MeshInstallationSpec::default());
    mesh.metadata.uid = Some("u".to_owned());
    let text = str::to_owned;
    let (namespace, images, version) = (text("serin-system"), text("serin.dev"), text("0.0.0"));
    validate(&mesh, &Operator { namespace, images, version }).unwrap()
}

fn facts(secret: &Secret) -> SecretFacts {
    SecretFacts { owner: Some("u".to_owned()), data: secret.data.clone().unwrap() }
}

#[test]
fn the_first_certificate_is_handed_out_first_and_kept() {
    let made = Serving::decide(&valid(), None, UNIX_EPOCH).unwrap();
    let first = made.first.unwrap();
    assert_eq!(made.renewed, None);
    let kept = Serving::decide(&valid(), Some(&facts(&first)), UNIX_EPOCH + DAY).unwrap();
    assert_eq!((kept.first, kept.renewed, kept.bundle), (None, None, made.bundle));
}

#[test]
fn a_certificate_is_renewed_before_its_end_and_both_cas_are_trusted_meanwhile() {
    let made = Serving::decide(&valid(), None, UNIX_EPOCH).unwrap();
    let old = facts(&made.first.unwrap());
    let renewed = Serving::decide(&valid(), Some(&old), UNIX_EPOCH + DAY * 61).unwrap();
    assert_eq!(renewed.first, None);
    let bundle = runtime::tls::certificates_from_pem(&renewed.bundle).unwrap();
    let former = runtime::tls::certificates_from_pem(&made.bundle).unwrap();
    assert_eq!((bundle.len(), &bundle[1]), (2, &former[0]));
    let again = facts(&renewed.renewed.unwrap());
    let next = Serving::decide(&valid(), Some(&again), UNIX_EPOCH + DAY * 130).unwrap();
    assert_eq!(runtime::tls::certificates_from_pem(&next.bundle).unwrap().len(), 2);
}

#[test]
fn a_damaged_certificate_is_replaced() {
    let made = Serving::decide(&valid(), None, UNIX_EPOCH).unwrap();
    for key in ["tls.crt", "tls.key", "ca.crt"] {
        let mut half = facts(made.first.as_ref().unwrap());
        half.data.remove(key);
        let again = Serving::decide(&valid(), Some(&half), UNIX_EPOCH).unwrap();
        assert!(again.renewed.is_some(), "{key}");
    }
}
