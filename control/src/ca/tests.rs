//! The CA Secret read, and what is signed with it.

use rcgen::{BasicConstraints, CertifiedIssuer, DnType, IsCa};

use super::*;

fn issuer_until(end: SystemTime) -> CertifiedIssuer<'static, KeyPair> {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    };
    let key = || KeyPair::generate().unwrap();
    let root = CertifiedIssuer::self_signed(authority("root"), key()).unwrap();
    let mut params = authority("issuer");
    params.not_after = end.into();
    CertifiedIssuer::signed_by(params, key(), &root).unwrap()
}

fn secret(issuer: &CertifiedIssuer<'_, KeyPair>) -> BTreeMap<String, Vec<u8>> {
    let (crt, key) = (issuer.pem(), issuer.key().serialize_pem());
    let pairs = [
        ("issuer.crt", crt.as_str()),
        ("issuer.key", &key),
        ("serving-issuer.crt", &crt),
        ("serving-issuer.key", &key),
        ("trust.pem", &crt),
        ("decision", "7\n"),
    ];
    pairs.into_iter().map(|(key, text)| (key.to_owned(), text.as_bytes().to_vec())).collect()
}

/// The content of a Secret that is good for as long as any test runs.
pub(crate) fn secret_until_2050() -> BTreeMap<String, Vec<u8>> {
    secret(&issuer_until(UNIX_EPOCH + Duration::from_secs(2_524_608_000)))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

const DAY: Duration = Duration::from_secs(24 * 3600);

fn web() -> SpiffeId {
    "spiffe://cluster.local/ns/shop/sa/web".parse().unwrap()
}

/// The first and the last second of a leaf.
fn validity(der: &CertificateDer<'_>) -> (u64, u64) {
    let (_, parsed) = X509Certificate::from_der(der).unwrap();
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap();
    (seconds(parsed.validity().not_before), seconds(parsed.validity().not_after))
}

fn authority_until(end: SystemTime) -> Authority {
    Authority::read(&secret(&issuer_until(end))).unwrap()
}

fn sign_until(end: SystemTime) -> Result<Vec<CertificateDer<'static>>, Error> {
    authority_until(end).issuer.sign(&web(), &KeyPair::generate().map_err(Error::Sign)?, DAY, now())
}

#[test]
fn a_leaf_begins_a_minute_ago_and_lives_as_long_as_asked() {
    let chain = sign_until(now() + 30 * DAY).unwrap();
    assert_eq!(validity(&chain[0]), (1_799_999_940, 1_800_086_400));
    assert_eq!(chain.len(), 2);
}

#[test]
fn a_leaf_never_outlives_its_issuer() {
    let chain = sign_until(now() + DAY / 2).unwrap();
    assert_eq!(validity(&chain[0]).1, 1_800_043_200);
}

#[test]
fn an_issuer_that_is_about_to_end_signs_nothing() {
    for end in [now(), now() + Duration::from_secs(59)] {
        assert!(matches!(sign_until(end), Err(Error::Expired)));
    }
}

#[test]
fn two_leaves_have_two_serial_numbers() {
    let authority = authority_until(now() + DAY);
    let key = KeyPair::generate().unwrap();
    let serial = || {
        let chain = authority.issuer.sign(&web(), &key, DAY, now()).unwrap();
        let (_, parsed) = X509Certificate::from_der(&chain[0]).unwrap();
        parsed.raw_serial().to_vec()
    };
    assert_ne!(serial(), serial());
}

#[test]
fn the_bundle_and_its_number_come_from_the_secret() {
    let authority = authority_until(now() + DAY);
    assert_eq!((authority.trust.decision, authority.trust.anchors.len()), (7, 1));
}

#[test]
fn a_secret_that_makes_no_sense_says_where() {
    let check = |key: &str, value: Option<&[u8]>, says: &str| {
        let mut data = secret(&issuer_until(now() + DAY));
        match value {
            Some(value) => drop(data.insert(key.to_owned(), value.to_vec())),
            None => drop(data.remove(key)),
        }
        let error = Authority::read(&data).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    check("issuer.crt", None, "the key issuer.crt is missing");
    check("decision", Some(b"later"), "the value of decision cannot be used");
    check("trust.pem", Some(b"no certificate"), "the value of trust.pem cannot be used");
    check("serving-issuer.key", Some(b"x"), "the value of serving-issuer.key cannot be used");
    let other = KeyPair::generate().unwrap().serialize_pem();
    check("issuer.key", Some(other.as_bytes()), "the certificate in issuer.crt is not of the key");
}
