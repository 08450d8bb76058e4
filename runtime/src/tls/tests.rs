//! Handshakes between a server and a client, in memory: who is accepted and who is not.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn der(&self) -> &[u8] {
        self.0.der()
    }

    fn leaf(&self, names: &[&str]) -> Credentials {
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            names.iter().map(|name| SanType::URI((*name).try_into().unwrap())).collect();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Credentials { chain: vec![leaf.der().clone()], key }
    }
}

fn expecting(authority: &Authority, name: &'static str) -> PeerVerifier {
    PeerVerifier::new([authority.der()], Arc::new(move |seen| seen == name)).unwrap()
}

/// Whether a handshake between the two completes, with a byte through it as proof.
async fn handshake(server: ServerConfig, client: ClientConfig) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (near, far) = tokio::io::duplex(64 * 1024);
    let accept = async {
        let mut stream = TlsAcceptor::from(Arc::new(server)).accept(far).await?;
        stream.write_all(b"x").await?;
        stream.flush().await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await
    };
    let connect = async {
        let name = "peer.mesh.serin".try_into().unwrap();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, near).await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        stream.write_all(&byte).await?;
        stream.flush().await
    };
    let (accepted, connected) = tokio::join!(accept, connect);
    accepted.is_ok() && connected.is_ok()
}

const A: &str = "spiffe://cluster.local/ns/shop/sa/a";
const B: &str = "spiffe://cluster.local/ns/shop/sa/b";

async fn check(
    server_is: Credentials,
    client_is: Option<Credentials>,
    auth: ClientAuth,
    trusted: &Authority,
) -> bool {
    let server = server_config(server_is, expecting(trusted, B), auth, &[b"serin-h2"]).unwrap();
    let client = client_config(client_is, expecting(trusted, A), &[b"serin-h2"]).unwrap();
    Box::pin(handshake(server, client)).await
}

#[tokio::test]
async fn peers_of_the_mesh_with_the_right_names_meet() {
    let ours = Authority::new();
    assert!(check(ours.leaf(&[A]), Some(ours.leaf(&[B])), ClientAuth::Required, &ours).await);
}

#[tokio::test]
async fn a_foreign_authority_is_refused_on_both_sides() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    assert!(!check(foreign.leaf(&[A]), Some(ours.leaf(&[B])), ClientAuth::Required, &ours).await);
    assert!(!check(ours.leaf(&[A]), Some(foreign.leaf(&[B])), ClientAuth::Required, &ours).await);
}

#[tokio::test]
async fn the_right_authority_with_a_wrong_name_is_refused_on_both_sides() {
    let ours = Authority::new();
    assert!(!check(ours.leaf(&[B]), Some(ours.leaf(&[B])), ClientAuth::Required, &ours).await);
    assert!(!check(ours.leaf(&[A]), Some(ours.leaf(&[A])), ClientAuth::Required, &ours).await);
}

#[tokio::test]
async fn a_certificate_with_two_names_or_none_is_refused() {
    let ours = Authority::new();
    assert!(!check(ours.leaf(&[A, B]), Some(ours.leaf(&[B])), ClientAuth::Required, &ours).await);
    assert!(!check(ours.leaf(&[]), Some(ours.leaf(&[B])), ClientAuth::Required, &ours).await);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_let_in_only_where_that_is_allowed() {
    let ours = Authority::new();
    assert!(!check(ours.leaf(&[A]), None, ClientAuth::Required, &ours).await);
    assert!(check(ours.leaf(&[A]), None, ClientAuth::Optional, &ours).await);
    assert!(check(ours.leaf(&[A]), None, ClientAuth::None, &ours).await);
}

#[test]
fn an_expired_chain_is_refused_when_asked_again() {
    let ours = Authority::new();
    let leaf = ours.leaf(&[A]);
    let verifier = expecting(&ours, A);
    let at = |seconds| {
        rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    };
    assert!(verifier.check(&leaf.chain, Usage::Server, at(1_800_000_000)).is_ok());
    assert!(verifier.check(&leaf.chain, Usage::Server, at(100_000_000_000)).is_err());
}
