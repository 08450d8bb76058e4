//! Claims about certificates in time. The authority is a real one, in memory; the clock stands,
//! tokio's is paused.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use model::{
    key::Key,
    resource::Resource,
    trust::{Anchor, Fingerprint},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, date_time_ymd,
};
use runtime::{clock::Clock, readiness::Readiness, tasks::Tasks, telemetry};
use tokio::{sync::mpsc, time::Instant};
use wire::message::SignResponse;

use super::*;
use crate::discovery::{Discovery, TestFeed};

const ID: &str = "spiffe://cluster.local/ns/shop/sa/catalogue";
/// Midnight of 1 January 2026, when every certificate here begins.
const MIDNIGHT: Duration = Duration::from_secs(1_767_225_600);
const DAY: Duration = Duration::from_secs(86_400);

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, hex::encode(key.public_key_raw()));
    CertifiedIssuer::self_signed(params, key).unwrap()
}

fn trust(decision: u64, roots: &[&Issuer]) -> Trust {
    Trust { decision, anchors: roots.iter().map(|root| Anchor(root.der().to_vec())).collect() }
}

/// Control, as far as certificates go.
struct Signer {
    root: Mutex<Arc<Issuer>>,
    trust: Mutex<Trust>,
    /// What it signs for, whoever asks.
    id: Mutex<&'static str>,
    fails: AtomicBool,
    /// When it was asked, and after how many failures.
    asked: mpsc::UnboundedSender<(Instant, u32)>,
}

impl Signer {
    fn issue(&self, csr: &Bytes) -> SignResponse {
        let root = Arc::clone(&self.root.lock().unwrap());
        let mut csr = CertificateSigningRequestParams::from_der(&csr[..].into()).unwrap();
        let id = *self.id.lock().unwrap();
        csr.params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        csr.params.not_before = date_time_ymd(2026, 1, 1);
        csr.params.not_after = date_time_ymd(2026, 1, 2);
        csr.params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = csr.signed_by(&*root).unwrap();
        let chain = vec![Bytes::copy_from_slice(leaf.der())];
        SignResponse { chain, trust: self.trust.lock().unwrap().clone() }
    }
}

impl Authority for Signer {
    fn sign(&self, csr: Bytes, failures: u32) -> Signing<'_> {
        Box::pin(async move {
            self.asked.send((Instant::now(), failures)).unwrap();
            if self.fails.load(Ordering::Relaxed) {
                return Err(Error::Silent);
            }
            Ok(self.issue(&csr))
        })
    }
}

struct World {
    identity: Identity,
    feed: TestFeed,
    signer: Arc<Signer>,
    asked: mpsc::UnboundedReceiver<(Instant, u32)>,
    readiness: Readiness,
    start: Instant,
    tasks: Tasks,
}

impl World {
    /// A proxy whose control signs below `root`.
    #[expect(clippy::disallowed_methods, reason = "what a test sends is bounded by the test")]
    fn new(root: Issuer) -> Self {
        let (asked, hears) = mpsc::unbounded_channel();
        let signer = Arc::new(Signer {
            trust: Mutex::new(trust(1, &[&root])),
            root: Mutex::new(Arc::new(root)),
            id: Mutex::new(ID),
            fails: AtomicBool::new(false),
            asked,
        });
        let (discovery, feed) = Discovery::for_tests([]);
        let (identity, readiness, tasks) = (Identity::empty(), Readiness::new(), Tasks::new());
        let clock = Clock::fixed(UNIX_EPOCH + MIDNIGHT);
        let authority = Arc::clone(&signer) as Arc<dyn Authority>;
        let renewal =
            Renewal::new(ID.parse().unwrap(), identity.clone(), discovery, authority, clock)
                .shown(&readiness, &telemetry::Metrics::new());
        tasks.spawn("identity", renewal.run(tasks.token()));
        Self { identity, feed, signer, asked: hears, readiness, start: Instant::now(), tasks }
    }

    /// Waits until control is asked; says how long after the start, and after how many failures.
    async fn asked(&mut self) -> (Duration, u32) {
        let (at, failures) = self.asked.recv().await.unwrap();
        (at - self.start, failures)
    }

    /// Waits for the material of this generation.
    async fn generation(&self, wanted: u64) -> Arc<Material> {
        let mut changed = self.identity.changed();
        changed.wait_for(|generation| *generation >= wanted).await.unwrap();
        self.identity.current().unwrap()
    }

    fn push(&self, trust: Trust) {
        self.feed.push(Key::Trust, Resource::Trust(Arc::new(trust)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_certificate_is_asked_for_at_once_and_makes_the_proxy_ready() {
    let root = authority();
    let issuer = Fingerprint::of(root.der());
    let mut world = World::new(root);
    assert!(!world.readiness.is_ready());
    assert_eq!(world.asked().await, (Duration::ZERO, 0));
    let material = world.generation(1).await;
    assert_eq!(material.id.to_string(), ID);
    let leaf = material.leaf().unwrap();
    assert_eq!(leaf.issuer, issuer);
    assert_eq!(leaf.not_after, (MIDNIGHT + DAY).as_secs());
    tokio::task::yield_now().await;
    assert!(world.readiness.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_renewed_half_way_with_another_key() {
    let mut world = World::new(authority());
    world.asked().await;
    let first = world.generation(1).await;
    let (at, failures) = world.asked().await;
    assert!(at >= DAY.mul_f64(0.45) && at <= DAY.mul_f64(0.55), "{at:?}");
    assert_eq!(failures, 0);
    let second = world.generation(2).await;
    assert_ne!(first.key.secret_der(), second.key.secret_der());
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_and_counted_and_the_old_certificate_stays_meanwhile() {
    let mut world = World::new(authority());
    world.asked().await;
    world.generation(1).await;
    world.signer.fails.store(true, Ordering::Relaxed);
    for expected in 0..5 {
        assert_eq!(world.asked().await.1, expected);
        assert_eq!(world.identity.current().unwrap().generation, 1);
    }
    world.signer.fails.store(false, Ordering::Relaxed);
    assert_eq!(world.asked().await.1, 5);
    world.generation(2).await;
    assert_eq!(world.asked().await.1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_whose_root_is_retired_is_replaced_at_once() {
    let (old, new) = (authority(), authority());
    let mut world = World::new(old);
    world.asked().await;
    world.generation(1).await;
    let retired = trust(2, &[&new]);
    *world.signer.trust.lock().unwrap() = retired.clone();
    *world.signer.root.lock().unwrap() = Arc::new(new);
    world.push(retired.clone());
    assert_eq!(world.asked().await, (Duration::ZERO, 0));
    let material = world.generation(3).await;
    assert_eq!(*material.trust, retired);
    assert!(material.leaf().is_some());
}

#[tokio::test(start_paused = true)]
async fn roots_that_are_added_are_trusted_at_once_and_the_certificate_stays() {
    let (old, new) = (authority(), authority());
    let both = trust(2, &[&old, &new]);
    let mut world = World::new(old);
    world.asked().await;
    world.generation(1).await;
    world.push(both.clone());
    let material = world.generation(2).await;
    assert_eq!(*material.trust, both);
    assert_eq!(world.start.elapsed(), Duration::ZERO);
    let (at, _) = world.asked().await;
    assert!(at >= DAY.mul_f64(0.45), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_another_issuer_than_the_one_that_signs_is_renewed_soon() {
    let (old, new) = (authority(), authority());
    let issuer = Fingerprint::of(new.der());
    let both = trust(2, &[&old, &new]);
    let mut world = World::new(old);
    *world.signer.trust.lock().unwrap() = both;
    world.asked().await;
    world.generation(1).await;
    *world.signer.root.lock().unwrap() = Arc::new(new);
    world.identity.signed_by(issuer);
    let (at, _) = world.asked().await;
    assert!(at <= Duration::from_secs(2), "{at:?}");
    assert_eq!(world.generation(2).await.leaf().unwrap().issuer, issuer);
    let (at, _) = world.asked().await;
    assert!(at >= DAY.mul_f64(0.45), "once is enough: {at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_still_signs_with_the_old_issuer_is_asked_again_without_haste() {
    let (old, new) = (authority(), authority());
    let mut world = World::new(old);
    world.asked().await;
    world.generation(1).await;
    world.identity.signed_by(Fingerprint::of(new.der()));
    for _ in 0..20 {
        world.asked().await;
    }
    assert!(world.start.elapsed() >= Duration::from_secs(20), "{:?}", world.start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_issuer_that_signed_is_no_reason_to_renew() {
    let root = authority();
    let issuer = Fingerprint::of(root.der());
    let mut world = World::new(root);
    world.identity.signed_by(issuer);
    world.asked().await;
    let (at, _) = world.asked().await;
    assert!(at >= DAY.mul_f64(0.45), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_brings_no_roots_that_are_older_than_those_pushed() {
    let (old, new) = (authority(), authority());
    let both = trust(7, &[&old, &new]);
    let mut world = World::new(old);
    world.push(both.clone());
    world.asked().await;
    assert_eq!(*world.generation(1).await.trust, both);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_for_somebody_else_is_not_used() {
    let mut world = World::new(authority());
    *world.signer.id.lock().unwrap() = "spiffe://cluster.local/ns/shop/sa/payment";
    world.asked().await;
    assert_eq!(world.asked().await.1, 1);
    assert!(world.identity.current().is_none());
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_the_certificate_refused_gets_another() {
    let mut world = World::new(authority());
    world.asked().await;
    world.generation(1).await;
    world.identity.renew();
    assert_eq!(world.asked().await, (Duration::ZERO, 0));
    world.generation(2).await;
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_when_told() {
    let world = World::new(authority());
    let end = world.tasks.shutdown(Duration::from_secs(5)).await;
    assert_eq!(end, runtime::tasks::End::Clean);
}

#[tokio::test]
async fn roots_come_from_the_file_until_control_has_sent_some_and_after_every_failure() {
    let (first, second) = (authority(), authority());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), first.pem()).unwrap();
    let identity = Identity::empty();
    let roots = Roots { file: file.path().to_owned(), identity: identity.clone() };
    assert_eq!(roots.after(0).await.unwrap(), trust(0, &[&first]));
    let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
    identity.swap(ID.parse().unwrap(), Vec::new(), key, Arc::new(trust(3, &[&second])));
    assert_eq!(roots.after(0).await.unwrap(), trust(3, &[&second]));
    std::fs::write(file.path(), second.pem()).unwrap();
    assert_eq!(roots.after(1).await.unwrap(), trust(0, &[&second]), "the file is read anew");
    std::fs::write(file.path(), "no bundle").unwrap();
    assert!(roots.after(1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_disowned_once_the_bundle_vouches_for_it_no_more() {
    let (root, other) = (authority(), authority());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{}{}", root.pem(), other.pem())).unwrap();
    let world = World::new(root);
    let (clock, identity) = (Clock::fixed(UNIX_EPOCH + MIDNIGHT), world.identity.clone());
    let roots = Roots { file: file.path().to_owned(), identity };
    let told = &mut None;
    assert!(!roots.disown(&clock, told).await, "there is none yet");
    world.generation(1).await;
    assert!(!roots.disown(&clock, told).await);
    std::fs::write(file.path(), other.pem()).unwrap();
    assert!(roots.disown(&clock, told).await);
    assert!(!roots.disown(&clock, told).await, "once is enough");
    std::fs::write(file.path(), "no bundle").unwrap();
    *told = None;
    assert!(!roots.disown(&clock, told).await, "that says nothing");
}
