//! A mesh of two proxies during one rotation, walked through every order in which writes arrive,
//! proxies follow, pods start, and a person changes their mind.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use super::{Authority, NEW, NOW, OLD, asked, holding, seen};
use crate::{
    acks::Census,
    rotation::{Hold, Phase, Plan, Rotation, Seen, Transition, Vault, Which},
};

/// One of the two roots that ever are.
type Id = u8;
const PROXIES: usize = 2;

/// What a proxy holds.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Proxy {
    trusts: BTreeSet<Id>,
    leaf: Id,
}

/// What lies in the Secret that control signs with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Secret {
    trusted: BTreeSet<Id>,
    signing: Id,
    serving: Id,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Mesh {
    phase: Phase,
    handled: bool,
    aborted: bool,
    active: Id,
    next: Option<Id>,
    secret: Secret,
    bootstrap: BTreeSet<Id>,
    /// What control's own certificate was signed with.
    serving: Id,
    proxies: [Proxy; PROXIES],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Act {
    /// The operator makes a turn, and remembers what came of it.
    Turn,
    /// A turn in which nothing is known of proxies.
    BlindTurn,
    WriteSecret,
    WriteBundle,
    WriteVault,
    ControlRenews,
    TakeBundle(usize),
    TakeLeaf(usize),
    /// The pod is replaced: it bootstraps, is signed a leaf and given the bundle.
    Start(usize),
    Abort,
}

impl Mesh {
    fn new() -> Self {
        let old = || BTreeSet::from([1]);
        let proxy = || Proxy { trusts: old(), leaf: 1 };
        Self {
            phase: Phase::Idle,
            handled: false,
            aborted: false,
            active: 1,
            next: None,
            secret: Secret { trusted: old(), signing: 1, serving: 1 },
            bootstrap: old(),
            serving: 1,
            proxies: [proxy(), proxy()],
        }
    }

    fn plan(&self) -> Plan {
        let abort_requested_at = self.aborted.then_some(NOW);
        Plan { abort_requested_at, before_expiry: None, ..asked() }
    }

    fn rotation(&self) -> Rotation {
        let handled = self.handled.then_some(NOW);
        Rotation { decision: 5_000_000_000, handled, phase: self.phase }
    }

    fn id(&self, which: Which) -> Id {
        match which {
            Which::Active => self.active,
            Which::Next => self.next.unwrap_or(self.active),
        }
    }

    fn ids(&self, which: &[Which]) -> BTreeSet<Id> {
        which.iter().map(|which| self.id(*which)).collect()
    }

    fn wanted(&self, hold: &Hold) -> (Secret, BTreeSet<Id>) {
        let (signing, serving) = (self.id(hold.signing), self.id(hold.serving));
        let secret = Secret { trusted: self.ids(&hold.trusted), signing, serving };
        (secret, self.ids(&hold.bootstrap))
    }

    /// What the state asks for, as a turn without news would say.
    fn held(&self) -> Hold {
        let blind = Seen { proxies: None, control: None, ..self.see(true) };
        self.rotation().hold(false, &blind, None)
    }

    fn is_applied(&self) -> bool {
        self.wanted(&self.held()) == (self.secret.clone(), self.bootstrap.clone())
    }

    fn see(&self, applied: bool) -> Seen {
        let held = self.proxies.iter().enumerate().map(|(at, proxy)| {
            let trusts: Vec<_> = proxy.trusts.iter().copied().map(authority).collect();
            (format!("shop/{at}").into(), holding(&trusts, authority(proxy.leaf)))
        });
        let serving = Some(authority(self.serving).issuer);
        Seen {
            active: authority(self.active),
            next: self.next.map(authority),
            applied,
            proxies: Some(Census::of(held)),
            control: Some(Census::of([("serin-system/serin-control".into(), serving)])),
            heard: 5_000_000_000,
            ..seen()
        }
    }

    /// The mesh after the act; nothing if it cannot happen or changes nothing.
    fn act(&self, act: Act) -> Option<Self> {
        let mut mesh = self.clone();
        match act {
            Act::Turn => mesh.turn(&self.see(self.is_applied())),
            Act::BlindTurn => {
                let seen = self.see(self.is_applied());
                mesh.turn(&Seen { proxies: None, control: None, ..seen });
            }
            Act::WriteSecret => mesh.secret = self.wanted(&self.held()).0,
            Act::WriteBundle => mesh.bootstrap = self.wanted(&self.held()).1,
            Act::WriteVault => mesh.write_vault(),
            Act::ControlRenews => mesh.serving = self.secret.serving,
            Act::TakeBundle(at) => mesh.proxies[at].trusts = self.secret.trusted.clone(),
            Act::TakeLeaf(at) => mesh.proxies[at].leaf = self.secret.signing,
            Act::Start(at) => {
                assert!(
                    self.bootstrap.contains(&self.serving),
                    "a pod that starts is lost: {self:?}"
                );
                let trusts = self.secret.trusted.clone();
                mesh.proxies[at] = Proxy { trusts, leaf: self.secret.signing };
            }
            Act::Abort => mesh.aborted = self.phase != Phase::Idle || self.aborted,
        }
        (mesh != *self).then_some(mesh)
    }

    fn turn(&mut self, seen: &Seen) {
        let (next, hold) = self.rotation().next(&self.plan(), seen);
        let before = self.rotation();
        let changed = before.phase.trusted() != next.phase.trusted();
        assert_eq!(changed, next.decision > before.decision, "{before:?} {next:?}");
        assert_eq!(hold.decision, next.decision);
        assert_eq!(hold.transition.is_some(), before.phase != next.phase);
        assert!(hold.transition != Some(Transition::NextLost), "{self:?}");
        self.phase = next.phase;
        self.handled = next.handled.is_some();
    }

    fn write_vault(&mut self) {
        let seen = self.see(self.is_applied());
        let due = self.rotation().next(&self.plan(), &seen).1;
        match due.vault {
            Vault::Keep => {}
            Vault::MakeNext => self.next = Some(2),
            Vault::DiscardNext => self.next = None,
            Vault::Promote => self.active = self.next.take().unwrap(),
        }
    }

    /// What must hold at every moment.
    fn check(&self) {
        for one in &self.proxies {
            for other in &self.proxies {
                assert!(other.trusts.contains(&one.leaf), "two proxies part: {self:?}");
            }
            assert!(one.trusts.contains(&self.serving), "a proxy loses control: {self:?}");
            assert!(self.secret.trusted.contains(&one.leaf), "control loses a proxy: {self:?}");
            let exists = one.leaf == self.active || Some(one.leaf) == self.next;
            assert!(exists, "a root is destroyed that is in use: {self:?}");
            let trusts = |id: &Id| *id == self.active || Some(*id) == self.next;
            assert!(one.trusts.iter().all(trusts), "a root that is gone is trusted: {self:?}");
        }
    }
}

const fn authority(id: Id) -> Authority {
    if id == 1 { OLD } else { NEW }
}

fn acts() -> Vec<Act> {
    let each = (0..PROXIES).flat_map(|at| [Act::TakeBundle(at), Act::TakeLeaf(at), Act::Start(at)]);
    let others = [Act::Turn, Act::BlindTurn, Act::WriteSecret, Act::WriteBundle];
    let rest = [Act::WriteVault, Act::ControlRenews, Act::Abort];
    others.into_iter().chain(rest).chain(each).collect()
}

/// Every mesh that can come to be, each checked.
static MESHES: LazyLock<Vec<Mesh>> = LazyLock::new(|| {
    let mut known = HashSet::new();
    let mut todo = vec![Mesh::new()];
    while let Some(mesh) = todo.pop() {
        if known.insert(mesh.clone()) {
            mesh.check();
            todo.extend(acts().into_iter().filter_map(|act| mesh.act(act)));
        }
    }
    known.into_iter().collect()
});

#[test]
fn at_no_moment_does_anybody_lose_anybody() {
    assert!(MESHES.len() > 100, "{} meshes", MESHES.len());
    let mut labels: HashMap<_, usize> = HashMap::new();
    MESHES.iter().for_each(|mesh| *labels.entry(mesh.phase.label()).or_default() += 1);
    assert_eq!(labels.len(), 5, "{labels:?}");
}

#[test]
fn from_every_moment_it_ends_if_all_do_as_they_are_told() {
    let order = [
        Act::Turn,
        Act::WriteSecret,
        Act::WriteBundle,
        Act::WriteVault,
        Act::ControlRenews,
        Act::TakeBundle(0),
        Act::TakeBundle(1),
        Act::TakeLeaf(0),
        Act::TakeLeaf(1),
    ];
    for start in MESHES.iter() {
        let mut mesh = start.clone();
        for act in std::iter::repeat_n(order, 12).flatten() {
            mesh = mesh.act(act).unwrap_or(mesh);
        }
        assert_eq!((mesh.phase, mesh.next), (Phase::Idle, None), "from {start:?}");
        let end = BTreeSet::from([mesh.active]);
        assert!(mesh.proxies.iter().all(|proxy| proxy.trusts == end && proxy.leaf == mesh.active));
    }
}

#[test]
fn an_abort_before_the_old_root_is_retired_brings_it_back() {
    let early = |mesh: &&Mesh| !matches!(mesh.phase, Phase::Retired(_) | Phase::Idle);
    for start in MESHES.iter().filter(early).filter(|mesh| mesh.aborted) {
        let mut mesh = start.clone();
        let (turns, rest) = (acts(), 12);
        for act in std::iter::repeat_n(turns, rest).flatten() {
            let starts = matches!(act, Act::Start(_) | Act::BlindTurn);
            mesh = mesh.act(act).filter(|_| !starts).unwrap_or(mesh);
        }
        assert_eq!((mesh.phase, mesh.active), (Phase::Idle, 1), "from {start:?}");
    }
}

#[test]
fn one_frozen_proxy_stops_it_where_it_is_still_served() {
    for start in MESHES.iter().filter(|mesh| !mesh.aborted) {
        let mut mesh = start.clone();
        let frozen = mesh.proxies[0].clone();
        for act in std::iter::repeat_n(acts(), 12).flatten() {
            let of_it =
                matches!(act, Act::TakeBundle(0) | Act::TakeLeaf(0) | Act::Start(_) | Act::Abort);
            mesh = if of_it { mesh } else { mesh.act(act).unwrap_or(mesh) };
            mesh.check();
        }
        assert_eq!(mesh.proxies[0], frozen);
    }
}
