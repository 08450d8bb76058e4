//! What is read in a pod as the webhook leaves it.

use super::*;

/// A pod as it is admitted, with what the API server adds.
fn admitted(injected: &str) -> Pod {
    let mut pod: KubePod = serde_saphyr::from_str(injected).unwrap();
    pod.metadata.uid = Some("uid".to_owned());
    Pod::keep(&pod).unwrap()
}

fn check(pod: &Pod, expect: &[u16]) {
    assert!(pod.meshed);
    assert_eq!(pod.plain_ports.iter().copied().collect::<Vec<_>>(), expect);
}

#[test]
fn ports_that_the_redirection_leaves_alone_are_read_from_what_it_was_told() {
    check(&admitted(EXCLUDING), &[9100, names::STATUS_PORT]);
    check(&admitted(INJECTED), &[names::STATUS_PORT]);
}

#[test]
fn an_annotation_that_was_edited_later_changes_nothing() {
    let edited = "serin.dev/exclude-inbound-ports: '8080'\n    serin.dev/injected";
    let text = INJECTED.replace("serin.dev/injected", edited);
    assert_ne!(text, INJECTED);
    check(&admitted(&text), &[names::STATUS_PORT]);
}

#[test]
fn that_names_of_headers_are_kept_is_read_from_what_the_proxy_was_told() {
    assert!(admitted(EXCLUDING).keeps_case);
    assert!(!admitted(INJECTED).keeps_case);
    let text = EXCLUDING.replace("serin.dev/meshed", "serin.dev/not-meshed");
    assert!(!admitted(&text).keeps_case);
}

#[test]
fn a_pod_without_a_proxy_has_no_such_ports() {
    let text = INJECTED.replace("serin.dev/meshed", "serin.dev/not-meshed");
    assert_eq!(admitted(&text).plain_ports, BTreeSet::new());
}

const INJECTED: &str = include_str!("../../../../webhook/testdata/pods/plain.injected.yaml");
const EXCLUDING: &str =
    include_str!("../../../../webhook/testdata/pods/volumes-and-annotations.injected.yaml");
