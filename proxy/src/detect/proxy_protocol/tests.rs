use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::{FIXED, Header, LONGEST_BINARY, LONGEST_TEXT, Parsed, SIGNATURE, parse};

/// A header is nothing but a beginning until it is whole, and what follows it does not matter.
fn check(header: &[u8], client: Option<SocketAddr>) {
    for end in 0..header.len() {
        assert_eq!(parse(&header[..end]), Parsed::Partial, "{end} of {header:?}");
    }
    let whole = Parsed::Header(Header { client, length: header.len() });
    assert_eq!(parse(header), whole);
    assert_eq!(parse(&[header, b"GET / HTTP/1.1\r\n\r\n"].concat()), whole);
}

fn text(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn block(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut block = [octets(source.ip()), octets(destination.ip())].concat();
    block.extend(source.port().to_be_bytes());
    block.extend(destination.port().to_be_bytes());
    block
}

fn pairs() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = any::<([u8; 4], u16, [u8; 4], u16)>()
        .prop_map(|(from, a, to, b)| (SocketAddr::from((from, a)), SocketAddr::from((to, b))));
    let v6 = any::<([u16; 8], u16, [u16; 8], u16)>()
        .prop_map(|(from, a, to, b)| (SocketAddr::from((from, a)), SocketAddr::from((to, b))));
    prop_oneof![v4, v6]
}

proptest! {
    #[test]
    fn what_version_1_says_is_read((source, destination) in pairs()) {
        check(&text(source, destination), Some(source));
    }

    #[test]
    fn what_version_2_says_is_read(
        (source, destination) in pairs(),
        more in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let family = if source.is_ipv4() { 0x11 } else { 0x21 };
        let block = [block(source, destination), more].concat();
        check(&binary(0x21, family, &block), Some(source));
    }

    #[test]
    fn no_bytes_make_it_panic_or_ask_for_ever(
        start in prop_oneof![Just(&b""[..]), Just(&b"PROXY "[..]), Just(SIGNATURE)],
        bytes in proptest::collection::vec(any::<u8>(), 0..LONGEST_BINARY + FIXED),
    ) {
        let bytes = [start, &bytes].concat();
        if let Parsed::Header(header) = parse(&bytes) {
            assert!(header.length <= bytes.len());
        }
        if bytes.len() >= FIXED + LONGEST_BINARY {
            assert_ne!(parse(&bytes), Parsed::Partial);
        }
    }
}

#[test]
fn a_sender_that_does_not_know_or_speaks_for_itself_names_nobody() {
    check(b"PROXY UNKNOWN\r\n", None);
    check(b"PROXY UNKNOWN ffff::1 what ever 0 0\r\n", None);
    check(&binary(0x20, 0x00, &[]), None);
    check(&binary(0x20, 0xff, &[1, 2, 3]), None);
    check(&binary(0x21, 0x00, &[]), None);
    check(&binary(0x21, 0x31, &[0; 216]), None);
}

#[test]
fn what_is_not_exactly_a_header_is_none() {
    for line in [
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 ::1 1 2\r\n",
        "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY \r\n",
        "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "GET / HTTP/1.1\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Parsed::Other, "{line:?}");
    }
    for header in [
        binary(0x11, 0x11, &[0; 12]),
        binary(0x22, 0x11, &[0; 12]),
        binary(0x21, 0x11, &[0; 11]),
        binary(0x21, 0x21, &[0; 35]),
        binary(0x21, 0x12, &[0; 12]),
        binary(0x21, 0x11, &vec![0; LONGEST_BINARY + 1]),
    ] {
        assert_eq!(parse(&header), Parsed::Other, "{:?}", &header[..FIXED]);
    }
}

#[test]
fn a_line_that_does_not_end_in_time_is_none() {
    let line = [b"PROXY UNKNOWN ".as_slice(), &[b'a'; LONGEST_TEXT]].concat();
    assert_eq!(parse(&line[..LONGEST_TEXT - 1]), Parsed::Partial);
    assert_eq!(parse(&line[..LONGEST_TEXT]), Parsed::Other);
}
