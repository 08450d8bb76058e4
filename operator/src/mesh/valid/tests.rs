use api::span::Span;

use super::*;

fn operator() -> Operator {
    let text = str::to_owned;
    Operator { namespace: text("serin-system"), images: text("serin.dev"), version: text("1.2.3") }
}

fn check(change: impl Fn(&mut MeshInstallationSpec), expected: Option<&str>) {
    let mut mesh = MeshInstallation::new("default", MeshInstallationSpec::default());
    mesh.metadata.uid = Some("u".to_owned());
    change(&mut mesh.spec);
    let found = validate(&mesh, &operator()).err().map(|invalid| invalid.label());
    assert_eq!(found, expected);
}

#[test]
fn the_default_mesh_can_be_built() {
    check(|_| {}, None);
}

#[test]
fn a_mesh_in_a_namespace_without_rights_says_so() {
    check(|spec| spec.namespace.0 = "mesh".into(), Some("OtherNamespace"));
}

#[test]
fn a_version_that_this_operator_does_not_have_is_refused() {
    check(|spec| spec.version = Some("1.2.3".into()), None);
    check(|spec| spec.version = Some("2.0.0".into()), Some("OtherVersion"));
}

#[test]
fn addresses_must_be_ranges() {
    check(|spec| spec.network.cidrs = vec!["10.0.0.0/8".into(), "fd00::/8".into()], None);
    for wrong in ["10.0.0.0", "10.0.0.0/33", "x/8", ""] {
        check(|spec| spec.network.cidrs = vec![wrong.into()], Some("InvalidCidr"));
    }
}

#[test]
fn spans_must_have_somewhere_to_go() {
    let tracing = |endpoint: &str, protocol, sampling_ratio| {
        let endpoint = endpoint.to_owned();
        Some(api::mesh::Tracing { endpoint, protocol, sampling_ratio })
    };
    let (grpc, http) = (OtlpProtocol::Grpc, OtlpProtocol::Http);
    check(|spec| spec.telemetry.tracing = tracing("http://otel:4317", grpc, 1.0), None);
    for wrong in ["otel:4317", "https://otel:4317", "http://otel", "http://otel:4317/v1/traces"] {
        check(|spec| spec.telemetry.tracing = tracing(wrong, grpc, 0.1), Some("InvalidTracing"));
    }
    for wrong in [-0.1, 1.1, f64::NAN] {
        let change = |spec: &mut MeshInstallationSpec| {
            spec.telemetry.tracing = tracing("http://otel:4318", http, wrong);
        };
        check(change, Some("InvalidTracing"));
    }
}

#[test]
fn a_log_must_have_a_ratio() {
    check(|spec| spec.telemetry.access_log.ratio = 0.5, None);
    check(|spec| spec.telemetry.access_log.ratio = 1.5, Some("InvalidAccessLog"));
}

#[test]
fn a_root_must_outlive_its_leaves() {
    check(|spec| spec.ca.leaf_lifetime = Span::seconds(60), Some("InvalidLifetime"));
    check(|spec| spec.ca.leaf_lifetime = Span::days(60), Some("InvalidLifetime"));
    check(|spec| spec.ca.root_lifetime = Span::days(2), Some("InvalidLifetime"));
}

#[test]
fn a_root_lifetime_that_was_stored_before_there_was_a_bound_is_shortened_to_it() {
    for days in [36_500, 36_501, 999_999_999] {
        check(|spec| spec.ca.root_lifetime = Span::days(days), None);
        let mut spec = MeshInstallationSpec::default();
        spec.ca.root_lifetime = Span::days(days);
        assert_eq!(root(&spec).unwrap().1, Span::days(36_500).0);
    }
}
