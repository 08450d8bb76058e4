//! Claims about what the injector may say.

use super::*;

fn injected() -> Vec<(&'static str, &'static str)> {
    vec![
        ("SERIN_CONTROL", "serin-control.mesh.svc:15012"),
        ("SERIN_TRUST_DOMAIN", "example.org"),
        ("POD_NAME", "catalogue-7d9-x"),
        ("POD_NAMESPACE", "shop"),
        ("POD_UID", "u-1"),
        ("POD_IP", "10.0.0.7"),
        ("POD_IPS", "10.0.0.7,fd00::7"),
        ("SERVICE_ACCOUNT", "catalogue"),
        ("SERIN_REVISION", "7d9"),
        ("SERIN_PROXY_PROTOCOL_PORTS", "8080,9000"),
        ("SERIN_PRESERVE_HEADER_CASE", "true"),
    ]
}

#[test]
fn what_the_injector_says_is_understood() {
    let settings = Settings::read(&Env::from_pairs(injected())).unwrap();
    assert_eq!(settings.id.to_string(), "spiffe://example.org/ns/shop/sa/catalogue");
    assert_eq!(settings.control.id.to_string(), "spiffe://example.org/ns/mesh/sa/serin-control");
    let addresses: Vec<_> = settings.addresses.iter().collect();
    assert_eq!(addresses, ["10.0.0.7", "fd00::7"].map(|text| text.parse::<IpAddr>().unwrap()));
    assert_eq!(settings.workload.revision.as_ref().map(Revision::as_str), Some("7d9"));
    assert_eq!(settings.proxy_protocol_ports.0, [8080, 9000]);
    assert!(settings.preserve_header_case);
    assert_eq!((settings.workers.get(), settings.memory), (1, None));
    assert_eq!(settings.drain, Duration::from_secs(30));
}

#[test]
fn every_mistake_is_told_at_once() {
    let mut pairs = injected();
    pairs.retain(|(name, _)| *name != "POD_UID" && *name != "SERIN_CONTROL");
    pairs.extend([
        ("SERIN_CONTROL", "serin-control"),
        ("SERIN_WORKERS", "0"),
        ("SERIN_MEMORY_BYTES", "64"),
        ("SERIN_PROBES", "{"),
        ("SERIN_DRAIN_SECONDS", "soon"),
        ("SERIN_PROXY_PROTOCOL_PORTS", "http"),
        ("SERIN_PRESERVE_HEADER_CASE", "yes"),
    ]);
    let errors = Settings::read(&Env::from_pairs(pairs)).unwrap_err().to_string();
    for name in [
        "POD_UID",
        "SERIN_CONTROL",
        "SERIN_WORKERS",
        "SERIN_MEMORY_BYTES",
        "SERIN_PROBES",
        "SERIN_DRAIN_SECONDS",
        "SERIN_PROXY_PROTOCOL_PORTS",
        "SERIN_PRESERVE_HEADER_CASE",
    ] {
        assert!(errors.contains(name), "{name} is not in {errors}");
    }
}

#[test]
fn control_outside_the_cluster_is_of_the_system_namespace() {
    assert_eq!(namespace_of("127.0.0.1:15012"), None);
    assert_eq!(
        namespace_of("serin-control.serin-system.svc.cluster.local:15012"),
        Some("serin-system")
    );
}
