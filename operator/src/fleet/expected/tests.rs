use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn check(namespace: &[(&str, &str)], pod: &[(&str, &str)], istio: bool, wanted: bool) {
    let rule = Rule { own: "serin-system", honour_istio_labels: istio };
    let pod = PodFacts { labels: labels(pod), ..PodFacts::default() };
    let found = rule.wants_proxy("shop", &labels(namespace), &pod);
    assert_eq!(found, wanted, "{namespace:?} {:?}", pod.labels);
}

const ON: (&str, &str) = ("serin.dev/injection", "enabled");
const OFF: (&str, &str) = ("serin.dev/injection", "disabled");
const MUST: (&str, &str) = ("serin.dev/injection", "required");
const ISTIO_ON: (&str, &str) = ("istio-injection", "enabled");
const ISTIO_POD: (&str, &str) = ("sidecar.istio.io/inject", "true");
const ISTIO_POD_OFF: (&str, &str) = ("sidecar.istio.io/inject", "false");

#[test]
fn a_pods_own_label_wins_over_its_namespaces() {
    check(&[], &[], false, false);
    check(&[ON], &[], false, true);
    check(&[MUST], &[], false, true);
    check(&[ON], &[OFF], false, false);
    check(&[], &[ON], false, true);
    check(&[OFF], &[ON], false, true);
    check(&[OFF], &[], false, false);
}

#[test]
fn istios_labels_count_only_where_they_are_honoured_and_ours_are_silent() {
    check(&[ISTIO_ON], &[], false, false);
    check(&[ISTIO_ON], &[], true, true);
    check(&[ISTIO_ON], &[ISTIO_POD_OFF], true, false);
    check(&[], &[ISTIO_POD], true, true);
    check(&[OFF], &[ISTIO_POD], true, false);
    check(&[ISTIO_ON], &[OFF], true, false);
}

#[test]
fn a_pod_that_cannot_have_a_proxy_is_not_missing_one() {
    let rule = Rule { own: "serin-system", honour_istio_labels: false };
    let pod = |change: fn(&mut PodFacts)| {
        let mut pod = PodFacts::default();
        change(&mut pod);
        rule.wants_proxy("shop", &labels(&[ON]), &pod)
    };
    assert!(pod(|_| {}));
    assert!(!pod(|pod| pod.host_network = true));
    assert!(!pod(|pod| pod.mirror = true));
    assert!(!rule.is_meshed("serin-system", &labels(&[ON])));
    assert!(!rule.is_meshed("kube-system", &labels(&[ON])));
}
