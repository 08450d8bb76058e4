//! What the protocol forbids is refused where it is decoded, never mended, and harms only itself.

use bytes::Bytes;
use model::{key::Key, resource::Resource};
use prost::Message;

use super::{operator, proxy};
use crate::{
    invalid::{Invalid, Problem},
    message::ToControl,
    proto,
};

fn unit() -> proto::Unit {
    proto::Unit {}
}

fn id(host: &str, port: u32) -> Option<proto::ServiceId> {
    Some(proto::ServiceId { host: host.into(), port })
}

fn check(resource: proto::resource::Resource, (field, problem): (&str, Problem)) {
    let resource = proto::Resource { resource: Some(resource), required_capabilities: Vec::new() };
    let refused = Resource::try_from(resource).unwrap_err();
    assert_eq!(refused, Invalid { field: field.to_owned(), problem });
}

fn check_service(change: impl FnOnce(&mut proto::Service), expected: (&str, Problem)) {
    let mut service = proto::Service { id: id("web", 80), ..proto::Service::default() };
    change(&mut service);
    check(proto::resource::Resource::Service(service), expected);
}

fn split() -> proto::Split {
    proto::Split {
        rollout: "shop/web".into(),
        decision: 4,
        canary: "abc".into(),
        share: Some(proto::split::Share::Weighted(500)),
    }
}

fn backend(split: proto::Split) -> proto::Backend {
    proto::Backend { id: id("web", 80), split: Some(split), ..proto::Backend::default() }
}

#[test]
fn a_service_says_which_field_is_wrong() {
    check_service(|it| it.id = None, ("service.id", Problem::Missing));
    check_service(|it| it.id = id("web", 0), ("service.id.port", Problem::Port(0)));
    check_service(|it| it.id = id("web", 65536), ("service.id.port", Problem::Port(65536)));
    check_service(|it| it.id = id("Web", 80), ("service.id.host", Problem::Host("Web".into())));
    check_service(|it| it.id = id("", 80), ("service.id.host", Problem::Host(String::new())));
    check_service(|it| it.protocol = 9, ("service.protocol", Problem::UnknownNumber(9)));
    let long = "n".repeat(254);
    let too_long = Problem::TooLong { bytes: 254, most: 253 };
    check_service(|it| it.name = long, ("service.name", too_long));
    let routes = vec![proto::Route::default()];
    check_service(|it| it.routes = routes, ("service.routes[0].match", Problem::Missing));
    let twice = vec![backend(split()), backend(split())];
    check_service(|it| it.backends = twice, ("service.backends", Problem::Duplicate));
}

#[test]
fn a_split_is_whole_or_refused() {
    let check_split = |change: &dyn Fn(&mut proto::Split), (field, problem): (&str, Problem)| {
        let mut split = split();
        change(&mut split);
        let backends = vec![backend(split)];
        let field = format!("service.backends[0].split.{field}");
        check_service(|it| it.backends = backends, (&field, problem));
    };
    check_split(&|it| it.rollout = "web".into(), ("rollout", Problem::Rollout("web".into())));
    check_split(&|it| it.share = None, ("share", Problem::Missing));
    let above = Some(proto::split::Share::Weighted(10_001));
    let weight = model::weight::Weight::from_basis_points(10_001).unwrap_err();
    check_split(&|it| it.share = above, ("weighted", Problem::Weight(weight)));
    let empty = model::revision::Revision::new("").unwrap_err();
    check_split(&|it| it.canary = String::new(), ("canary", Problem::Revision(empty)));
}

#[test]
fn identities_are_read_strictly() {
    let wrong = "spiffe://cluster.local/ns/shop/sa/";
    let problem = Problem::Identity(wrong.parse::<model::identity::SpiffeId>().unwrap_err());
    let inbound = proto::Inbound { identity: wrong.into(), ..proto::Inbound::default() };
    check(proto::resource::Resource::Inbound(inbound), ("inbound.identity", problem));
}

#[test]
fn an_address_has_one_form() {
    let refused = |ip: &[u8]| {
        let key = proto::key::Key::Workload(Bytes::copy_from_slice(ip));
        let refused = Key::try_from(proto::Key { key: Some(key) }).unwrap_err();
        assert_eq!((refused.field.as_str(), refused.problem), ("workload", Problem::Address));
    };
    refused(&[10, 0, 0]);
    refused(&"::ffff:10.0.0.1".parse::<std::net::Ipv6Addr>().unwrap().octets());
}

#[test]
fn what_cannot_be_enforced_is_not_followed() {
    let resource = proto::Resource {
        resource: Some(proto::resource::Resource::Mesh(proto::Mesh::default())),
        required_capabilities: vec!["split".into(), "teleport".into()],
    };
    let refused = Resource::try_from(resource).unwrap_err();
    assert_eq!(refused.problem, Problem::Capability("teleport".into()));
}

#[test]
fn a_resource_of_an_unknown_kind_is_refused() {
    assert_eq!(
        super::resource::decode(&Bytes::new()),
        Err(Invalid { field: String::new(), problem: Problem::Missing })
    );
}

#[test]
fn one_key_that_is_not_understood_harms_no_other() {
    let held = |key| proto::Held { key: Some(proto::Key { key }), ..proto::Held::default() };
    let keys = vec![held(None), held(Some(proto::key::Key::Trust(unit())))];
    let message = Some(proto::to_control::Message::Subscribe(proto::Subscribe { keys }));
    let (good, rejected) = proxy::decode_to(proto::ToControl { message });
    let Some(ToControl::Subscribe(good)) = good else { panic!("{good:?}") };
    assert_eq!(good.into_iter().map(|held| held.key).collect::<Vec<_>>(), [Key::Trust]);
    let fields: Vec<_> = rejected.into_iter().map(|invalid| invalid.field).collect();
    assert_eq!(fields, ["subscribe.keys[0].key"]);
}

#[test]
fn a_decision_that_is_not_understood_is_not_taken_for_one_that_is_over() {
    let decision = |rollout: &str, canary: &str| proto::Decision {
        rollout: rollout.into(),
        canary: canary.into(),
        ..proto::Decision::default()
    };
    // A canary without a share.
    let decisions = vec![decision("shop/web", "abc"), decision("shop/cart", "")];
    let (set, rejected) = operator::decode_to(proto::ToReplica { decisions }).unwrap();
    assert_eq!(set.decisions.len(), 1);
    assert_eq!(set.unreadable, [model::decision::RolloutId::new("shop", "web")]);
    assert_eq!(rejected.first().map(|invalid| invalid.field.as_str()), Some("decisions[0].share"));
}

#[test]
fn fields_of_a_newer_version_are_ignored() {
    let mut body = proto::Resource::from(&Resource::Mesh(std::sync::Arc::new(model::mesh::Mesh {
        trust_domain: "cluster.local".parse().unwrap(),
        cidrs: Vec::new(),
        outbound: model::mesh::OutboundPolicy::AllowAny,
        access_log: Some(model::mesh::AccessLog::default()),
        tracing: None,
    })))
    .encode_to_vec();
    // Field 1000, a varint.
    body.extend([0xc0, 0x3e, 0x01]);
    assert!(super::resource::decode(&Bytes::from(body)).is_ok());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..256)) {
        drop(super::resource::decode(&Bytes::from(bytes.clone())));
        if let Ok(message) = proto::ToControl::decode(&*bytes) {
            drop(proxy::decode_to(message));
        }
        if let Ok(message) = proto::ToReplica::decode(&*bytes) {
            drop(operator::decode_to(message));
        }
    }
}
