//! Claims about the rules as they are written; what they do is shown in a real namespace in
//! `tests/it`.

use super::*;

fn dry_run(options: Options) -> String {
    match run(&Options { dry_run: true, proxy_uid: 1337, ..options }) {
        Ok(Done::Printed(rules)) => rules,
        other => panic!("{other:?} instead of rules"),
    }
}

#[test]
fn a_dry_run_prints_rules_that_nft_understands() {
    let expected = "\
table inet serin
delete table inet serin
table inet serin {
\tchain inbound {
\t\ttype nat hook prerouting priority -100; policy accept;
\t\ttcp dport 15020 accept
\t\ttcp dport 15000 accept
\t\ttcp dport 15001 accept
\t\ttcp dport 9090 accept
\t\tmeta l4proto tcp redirect to :15006
\t}
\tchain outbound {
\t\ttype nat hook output priority -100; policy accept;
\t\toifname \"lo\" ip saddr 127.0.0.6 accept
\t\toifname \"lo\" ip6 saddr ::6 accept
\t\tmeta skuid 1337 tcp dport 15020 accept
\t\tmeta skuid 1337 tcp dport 15000 accept
\t\tmeta skuid 1337 tcp dport 15001 accept
\t\tmeta skuid 1337 tcp dport 9090 accept
\t\tmeta skuid 1337 oifname \"lo\" meta l4proto tcp ip daddr != 127.0.0.0/8 redirect to :15006
\t\tmeta skuid 1337 oifname \"lo\" meta l4proto tcp ip6 daddr != ::1/128 redirect to :15006
\t\tmeta skuid 1337 accept
\t\tmeta skuid 0 accept
\t\tip daddr 127.0.0.0/8 accept
\t\tip6 daddr ::1/128 accept
\t\ttcp dport 3306 accept
\t\tip daddr 169.254.0.0/16 accept
\t\tmeta l4proto tcp redirect to :15001
\t}
}
";
    let rules = dry_run(Options {
        exclude_inbound_ports: List(vec![9090]),
        exclude_outbound_ports: List(vec![3306]),
        exclude_outbound_cidrs: List(vec!["169.254.0.0/16".parse().unwrap()]),
        exclude_uids: List(vec![0]),
        ..Options::default()
    });
    assert_eq!(rules, expected);
}

#[test]
fn a_network_is_excluded_however_its_host_bits_are_set() {
    let exclude_outbound_cidrs = "10.1.2.3/8".parse().unwrap();
    let rules = dry_run(Options { exclude_outbound_cidrs, ..Options::default() });
    assert!(rules.contains("ip daddr 10.0.0.0/8 accept"));
}

#[test]
fn a_refusal_says_what_to_do() {
    let refused = |errno| Error::Refused {
        statement: "create the chain inbound".to_owned(),
        source: io::Error::from_raw_os_error(errno),
    };
    assert!(refused(EPERM).to_string().contains("needs the capability NET_ADMIN"));
    assert!(refused(EOPNOTSUPP).to_string().contains("needs nf_tables"));
}

#[test]
fn an_empty_list_excludes_nothing() {
    assert_eq!("".parse(), Ok(List::<u16>::default()));
    assert_eq!("80, 443,".parse(), Ok(List(vec![80_u16, 443])));
    assert!("80;443".parse::<List<u16>>().is_err());
}
