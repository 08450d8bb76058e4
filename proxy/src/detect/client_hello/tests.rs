use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};

use super::{ClientHello, Parsed, parse};

fn hello(server_name: &'static str, protocols: &[&[u8]]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(server_name).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn name_and_protocols_are_read() {
    let parsed = parse(&hello("one.mesh.serin", &[b"serin-h2", b"serin-tcp"]));
    let protocols = vec![b"serin-h2".to_vec(), b"serin-tcp".to_vec()];
    let server_name = Some("one.mesh.serin".to_owned());
    assert_eq!(parsed, Parsed::Hello(ClientHello { server_name, protocols }));
}

#[test]
fn every_beginning_of_one_needs_more() {
    let bytes = hello("one.mesh.serin", &[b"serin-h2"]);
    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes[..end]), Parsed::Partial, "at byte {end}");
    }
}

#[test]
fn one_spread_over_many_records_is_read() {
    let bytes = hello("one.mesh.serin", &[b"serin-h2"]);
    let spread: Vec<u8> = bytes[5..]
        .chunks(7)
        .flat_map(|piece| [&[22, 3, 1, 0, u8::try_from(piece.len()).unwrap()], piece].concat())
        .collect();
    assert_eq!(parse(&spread), parse(&bytes));
}

#[test]
fn an_empty_record_is_refused() {
    assert_eq!(parse(&[22, 3, 1, 0, 0, 22, 3, 1]), Parsed::Other);
}
