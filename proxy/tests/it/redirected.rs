//! The data plane behind real redirection: an application is reached at its own address and sees
//! 127.0.0.6, and nothing goes in a circle. Each claim holds for IPv4 and IPv6.

use std::{net::SocketAddr, thread};

use lab::{Proxy, Setup, inbound};
use model::{inbound::MtlsMode, key::Key};
use proxy::redirect::{Done, Ipv6, Options, run};

use crate::namespace::{Agent, FAR, POD, Pod, answer, in_pod};

const APPLICATION: u32 = 1000;

/// Checks a claim in a pod whose proxy, run by root, knows of nothing but itself.
fn claim(test: &str, check: impl FnOnce(&Pod<'_>, &mut Agent, &Proxy)) {
    in_pod(&format!("redirected::{test}"), |pod, peer| {
        let options = Options { proxy_uid: 0, ..Options::default() };
        assert!(matches!(run(&options), Ok(Done::Installed { ipv6: Ipv6::Ready, .. })));
        answer("application", "[::]:8080");
        answer("on-the-pods-address", "10.99.0.2:8081");
        answer("on-the-pods-address", "[fd99::2]:8081");
        answer("on-localhost", "127.0.0.1:8082");
        let any: SocketAddr = "10.99.0.2:8080".parse().unwrap();
        let policy = inbound("pod", any, MtlsMode::Permissive, Default::default());
        let setup = Setup { redirected: true, ..Setup::new("pod") };
        let mut proxy = Proxy::start(setup.with([(Key::Inbound, policy)]));
        let asked = proxy.take_feed();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(asked.answer_absent());
        });
        check(pod, peer, &proxy);
    });
}

fn check(agent: &mut Agent, to: [&str; 2], port: u16, answers: [&str; 2]) {
    for (to, expected) in to.iter().zip(answers) {
        assert_eq!(agent.connect(&format!("{to}:{port}")), expected);
    }
}

#[test]
fn an_application_is_reached_at_its_own_address_from_the_proxys() {
    claim("an_application_is_reached_at_its_own_address_from_the_proxys", |_, peer, _| {
        let reached =
            ["application 10.99.0.2:8080 from 127.0.0.6", "application [fd99::2]:8080 from ::6"];
        check(peer, POD, 8080, reached);
    });
}

#[test]
fn an_application_that_listens_on_the_pods_address_only_is_reached() {
    claim("an_application_that_listens_on_the_pods_address_only_is_reached", |_, peer, _| {
        let reached = [
            "on-the-pods-address 10.99.0.2:8081 from 127.0.0.6",
            "on-the-pods-address [fd99::2]:8081 from ::6",
        ];
        check(peer, POD, 8081, reached);
    });
}

#[test]
fn an_application_that_listens_on_localhost_stays_private() {
    claim("an_application_that_listens_on_localhost_stays_private", |_, peer, _| {
        check(peer, POD, 8082, ["connection reset", "connection reset"]);
    });
}

#[test]
fn what_leaves_the_mesh_passes_through() {
    claim("what_leaves_the_mesh_passes_through", |pod, _, _| {
        let mut application = pod.user(APPLICATION);
        let passed =
            ["peer 198.51.100.5:7000 from 10.99.0.2", "peer [2001:db8:99::5]:7000 from fd99::2"];
        check(&mut application, FAR, 7000, passed);
    });
}

#[test]
fn a_pod_that_calls_itself_by_its_address_goes_through_its_own_front_door() {
    claim(
        "a_pod_that_calls_itself_by_its_address_goes_through_its_own_front_door",
        |pod, _, proxy| {
            let mut application = pod.user(APPLICATION);
            let reached = [
                "application 10.99.0.2:8080 from 127.0.0.6",
                "application [fd99::2]:8080 from ::6",
            ];
            check(&mut application, POD, 8080, reached);
            let entered = ["reporter=\"destination\""];
            assert_eq!(proxy.counted("istio_tcp_connections_opened_total", &entered), 2.0);
        },
    );
}

#[test]
fn a_connection_to_the_proxy_itself_is_refused_and_not_carried_in_a_circle() {
    claim(
        "a_connection_to_the_proxy_itself_is_refused_and_not_carried_in_a_circle",
        |_, peer, proxy| {
            check(peer, POD, 15006, ["connection reset", "connection reset"]);
            assert_eq!(proxy.counted("serin_proxy_events_total", &["refused_foreign"]), 2.0);
        },
    );
}
