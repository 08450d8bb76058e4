use std::{sync::Arc, time::UNIX_EPOCH};

use runtime::tls::{PeerVerifier, Usage, certificates_from_pem};
use rustls_pki_types::UnixTime;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(days: u32) -> SystemTime {
    UNIX_EPOCH + DAY * days
}

fn made(days: u32, lifetime_days: u32) -> Authority {
    let validity = Validity { now: at(days), lifetime: DAY * lifetime_days };
    authority(&"cluster.local".parse().unwrap(), validity).unwrap()
}

fn accepted(root: &Pair, leaf: &Pair, day: u32) -> Option<String> {
    let anchors = certificates_from_pem(root.certificate.as_bytes()).unwrap();
    let anchors: Vec<&[u8]> = anchors.iter().map(|anchor| &**anchor).collect();
    let verifier = PeerVerifier::new(anchors, Arc::new(|_| true)).unwrap();
    let chain = certificates_from_pem(leaf.certificate.as_bytes()).unwrap();
    verifier.check(&chain, Usage::Server, UnixTime::since_unix_epoch(DAY * day)).ok()
}

#[test]
fn a_leaf_leads_to_its_root_and_to_no_other() {
    let (one, other) = (made(100, 3650), made(100, 3650));
    let id: SpiffeId = "spiffe://cluster.local/ns/a/sa/b".parse().unwrap();
    let leaf = leaf(&one.issuer, &id, Validity { now: at(100), lifetime: DAY }).unwrap();
    assert_eq!(accepted(&one.root, &leaf, 100).unwrap(), id.to_string());
    assert!(accepted(&other.root, &leaf, 100).is_none());
}

#[test]
fn a_leaf_is_not_accepted_after_its_time() {
    let one = made(100, 3650);
    let id: SpiffeId = "spiffe://cluster.local/ns/a/sa/b".parse().unwrap();
    let leaf = leaf(&one.issuer, &id, Validity { now: at(100), lifetime: DAY }).unwrap();
    assert!(accepted(&one.root, &leaf, 102).is_none());
}

#[test]
fn the_webhooks_certificate_is_good_for_its_service_below_its_ca() {
    let names = ["serin-webhook.serin-system.svc".to_owned()];
    let (pair, ca) = server(&names, Validity { now: at(100), lifetime: DAY * 90 }).unwrap();
    let chain = certificates_from_pem(pair.certificate.as_bytes()).unwrap();
    let ca = certificates_from_pem(ca.as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca[0].clone()).unwrap();
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
        Arc::new(roots),
        runtime::tls::provider(),
    )
    .build()
    .unwrap();
    let check = |name: &str| {
        use rustls::client::danger::ServerCertVerifier as _;
        let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(
            &chain[0],
            &[],
            &name,
            &[],
            UnixTime::since_unix_epoch(DAY * 101),
        )
    };
    assert!(check("serin-webhook.serin-system.svc").is_ok());
    assert!(check("other.serin-system.svc").is_err());
}

#[test]
fn an_end_beyond_the_calendar_is_an_error() {
    let domain = "cluster.local".parse().unwrap();
    for lifetime in [DAY * 365 * 9000, Duration::MAX] {
        assert!(authority(&domain, Validity { now: at(20_000), lifetime }).is_err());
    }
}
