//! Claims about where connections end up once a pod is redirected, each for IPv4 and IPv6, with
//! stand-ins for the proxy's listeners and the application that say who they are.

use proxy::redirect::{Done, Ipv6, List, Options, PROXY_UID, run};

use crate::namespace::{Agent, FAR, POD, Pod, answer, in_pod, ip};

const APPLICATION: u32 = 1000;

/// The proxy's listeners and an application on 8080.
fn stand_ins() {
    answer("inbound", "[::]:15006");
    answer("outbound", "127.0.0.1:15001");
    answer("outbound", "[::1]:15001");
    answer("admin", "[::]:15020");
    answer("local-admin", "127.0.0.1:15000");
    answer("application", "[::]:8080");
}

fn redirected(options: &Options) {
    stand_ins();
    assert!(matches!(run(options), Ok(Done::Installed { ipv6: Ipv6::Ready, .. })));
}

fn options() -> Options {
    Options { proxy_uid: PROXY_UID, ..Options::default() }
}

/// Checks that `agent` reaches `name` at each of `addresses`, and that it hears where it wanted to
/// go.
fn reaches(agent: &mut Agent, name: &str, addresses: [&str; 2], port: u16) {
    for address in addresses {
        let to = format!("{address}:{port}");
        let heard = agent.connect(&to);
        assert!(heard.starts_with(&format!("{name} {to} from")), "{to}: {heard}");
    }
}

fn claim(test: &str, options: &Options, check: impl FnOnce(&Pod<'_>, &mut Agent)) {
    in_pod(&format!("redirect::{test}"), |pod, peer| {
        redirected(options);
        check(pod, peer);
    });
}

#[test]
fn what_comes_from_elsewhere_meets_the_inbound_listener() {
    claim("what_comes_from_elsewhere_meets_the_inbound_listener", &options(), |_, peer| {
        reaches(peer, "inbound", POD, 8080);
    });
}

#[test]
fn the_pod_facing_admin_port_is_met_directly() {
    claim("the_pod_facing_admin_port_is_met_directly", &options(), |_, peer| {
        reaches(peer, "admin", POD, 15020);
    });
}

#[test]
fn ports_of_the_pod_that_are_excluded_are_met_directly() {
    let options = Options { exclude_inbound_ports: List(vec![9999, 8080]), ..options() };
    claim("ports_of_the_pod_that_are_excluded_are_met_directly", &options, |pod, peer| {
        reaches(peer, "application", POD, 8080);
        reaches(&mut pod.user(PROXY_UID), "application", POD, 8080);
    });
}

#[test]
fn the_localhost_listeners_are_closed_to_everyone_else() {
    claim("the_localhost_listeners_are_closed_to_everyone_else", &options(), |_, peer| {
        for address in POD {
            for port in [15000, 15001] {
                assert_eq!(peer.connect(&format!("{address}:{port}")), "connection refused");
            }
        }
    });
}

#[test]
fn what_the_application_opens_meets_the_outbound_listener() {
    claim("what_the_application_opens_meets_the_outbound_listener", &options(), |pod, _| {
        let mut application = pod.user(APPLICATION);
        reaches(&mut application, "outbound", FAR, 7000);
        reaches(&mut application, "outbound", ["203.0.113.9", "[2001:db8::9]"], 80);
    });
}

#[test]
fn what_the_proxy_opens_goes_where_it_wants() {
    claim("what_the_proxy_opens_goes_where_it_wants", &options(), |pod, _| {
        reaches(&mut pod.user(PROXY_UID), "peer", FAR, 7000);
    });
}

#[test]
fn a_pod_that_calls_itself_passes_the_outbound_and_then_the_inbound_listener() {
    let test = "a_pod_that_calls_itself_passes_the_outbound_and_then_the_inbound_listener";
    claim(test, &options(), |pod, _| {
        reaches(&mut pod.user(APPLICATION), "outbound", POD, 8080);
        reaches(&mut pod.user(PROXY_UID), "inbound", POD, 8080);
    });
}

#[test]
fn the_proxy_reaches_its_application_from_its_own_address_and_meets_nobody_else() {
    let test = "the_proxy_reaches_its_application_from_its_own_address_and_meets_nobody_else";
    claim(test, &options(), |pod, _| {
        let mut proxy = pod.user(PROXY_UID);
        for (from, to) in ["127.0.0.6", "::6"].into_iter().zip(POD) {
            let heard = proxy.connect_from(from, &format!("{to}:8080"));
            assert!(heard.starts_with("application"), "{heard}");
            assert!(heard.ends_with(from), "{heard}");
        }
        reaches(&mut proxy, "application", ["127.0.0.1", "[::1]"], 8080);
    });
}

#[test]
fn a_probe_meets_the_application_and_no_listener_of_ours() {
    claim("a_probe_meets_the_application_and_no_listener_of_ours", &options(), |pod, _| {
        let mut proxy = pod.user(PROXY_UID);
        for address in POD {
            assert_eq!(proxy.probe(&format!("{address}:8080")), "200");
            // Were it led to the inbound listener, it would be accepted there.
            assert_eq!(proxy.probe(&format!("{address}:8081")), "503");
        }
    });
}

#[test]
fn the_application_talks_to_itself_on_the_loopback_addresses() {
    let test = "the_application_talks_to_itself_on_the_loopback_addresses";
    claim(test, &options(), |pod, _| {
        reaches(&mut pod.user(APPLICATION), "application", ["127.0.0.1", "[::1]"], 8080);
    });
}

#[test]
fn ports_elsewhere_that_are_excluded_are_reached_directly() {
    let options = Options { exclude_outbound_ports: List(vec![7000]), ..options() };
    claim("ports_elsewhere_that_are_excluded_are_reached_directly", &options, |pod, _| {
        let mut application = pod.user(APPLICATION);
        reaches(&mut application, "peer", FAR, 7000);
        reaches(&mut application, "outbound", FAR, 7001);
    });
}

#[test]
fn networks_that_are_excluded_are_reached_directly() {
    let cidrs = ["198.51.100.77/24", "2001:db8:99::/48"].map(|cidr| cidr.parse().unwrap());
    let options = Options { exclude_outbound_cidrs: List(cidrs.to_vec()), ..options() };
    claim("networks_that_are_excluded_are_reached_directly", &options, |pod, _| {
        let mut application = pod.user(APPLICATION);
        reaches(&mut application, "peer", FAR, 7000);
        reaches(&mut application, "outbound", ["198.51.101.5", "[2001:db8:9a::5]"], 7000);
    });
}

#[test]
fn users_that_are_excluded_go_where_they_want() {
    let options = Options { exclude_uids: List(vec![4711]), ..options() };
    claim("users_that_are_excluded_go_where_they_want", &options, |pod, _| {
        reaches(&mut pod.user(4711), "peer", FAR, 7000);
        reaches(&mut pod.user(APPLICATION), "outbound", FAR, 7000);
    });
}

#[test]
fn running_again_replaces_all_that_was_there() {
    let before = Options { exclude_outbound_ports: List(vec![7000]), ..options() };
    claim("running_again_replaces_all_that_was_there", &before, |pod, _| {
        run(&options()).unwrap();
        run(&options()).unwrap();
        reaches(&mut pod.user(APPLICATION), "outbound", FAR, 7000);
    });
}

#[test]
fn without_the_capability_the_refusal_names_it() {
    in_pod("redirect::without_the_capability_the_refusal_names_it", |pod, _| {
        let said = pod.user(APPLICATION).redirect();
        assert!(said.contains("NET_ADMIN"), "{said}");
    });
}

#[test]
fn a_pod_without_ipv6_is_redirected_all_the_same() {
    in_pod("redirect::a_pod_without_ipv6_is_redirected_all_the_same", |_, peer| {
        for device in ["all", "default", "lo", "eth0"] {
            let switch = format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6");
            std::fs::write(switch, "1").expect("root may switch IPv6 off");
        }
        assert!(matches!(run(&options()), Ok(Done::Installed { ipv6: Ipv6::Off, .. })));
        answer("inbound", "0.0.0.0:15006");
        let heard = peer.connect("10.99.0.2:8080");
        assert!(heard.starts_with("inbound 10.99.0.2:8080"), "{heard}");
        ip("link set lo down");
    });
}
