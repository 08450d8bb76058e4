use super::*;

fn expression(name: &str, istio: bool) -> String {
    let mut all = wants_proxy(istio).into_iter();
    all.find(|variable| variable.name == name).unwrap().expression
}

#[test]
fn each_variable_uses_only_those_before_it() {
    for istio in [false, true] {
        let mut known: Vec<String> = Vec::new();
        for Variable { name, expression } in wants_proxy(istio) {
            for used in expression.split("variables.").skip(1) {
                let end = used.find(|c: char| !c.is_alphanumeric() && c != '_');
                let used = used.split_at(end.unwrap_or(used.len())).0;
                assert!(known.iter().any(|it| it == used), "{name} uses {used}");
            }
            known.push(name);
        }
    }
}

/// What the API server makes of it is seen in `e2e`, over the table of `api/testdata/`.
#[test]
fn every_reason_that_a_pod_can_show_is_named() {
    let left_alone = expression("left_alone", false);
    for part in [
        r#"variables.annotation) == "disabled""#,
        "object.spec.?hostNetwork",
        r#""kubernetes.io/config.mirror" in object.metadata.?annotations"#,
        r#"object.spec.?os.?name.orValue("linux") != "linux""#,
        r#"object.spec.?nodeSelector[?"kubernetes.io/os"].orValue("linux") != "linux""#,
        "object.spec.?initContainers",
        "object.spec.?containers",
        r#"["istio-proxy", "linkerd-proxy", "consul-dataplane", "kuma-sidecar"]"#,
    ] {
        assert!(left_alone.contains(part), "{part}");
    }
    assert_eq!(expression("wants_proxy", false), "variables.asked && !variables.left_alone");
}

#[test]
fn istios_words_count_only_where_they_are_honoured() {
    let all = |istio| wants_proxy(istio).iter().map(|it| it.expression.clone()).collect::<String>();
    assert!(!all(false).contains("istio_") && !all(false).contains("sidecar.istio.io"));
    assert!(expression("asked", true).contains("variables.istio_namespace_says"));
    assert!(expression("left_alone", true).contains("variables.istio_annotation"));
}
