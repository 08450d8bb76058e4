//! Certificates: who gets one, and what it says.

use bytes::Bytes;
use model::trust::Fingerprint;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SanType};
use runtime::tls::{self, Usage};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use wire::{
    client::{Error, IdentityClient},
    message::{SignRequest, SignResponse, Token},
};

use crate::world::{WEB, World, hello, spiffe};

/// A signing request for `key` that asks for another name than the token proves.
fn csr(key: &KeyPair) -> Bytes {
    let mut params = CertificateParams::default();
    let other = "spiffe://cluster.local/ns/serin-system/sa/serin-operator";
    params.subject_alt_names = vec![SanType::URI(other.try_into().unwrap())];
    Bytes::from(params.serialize_request(key).unwrap().der().to_vec())
}

async fn sign(world: &World, csr: Bytes, token: &str) -> Result<SignResponse, Error> {
    let mut client = IdentityClient::new(world.channel(None).await.unwrap());
    client.sign(SignRequest { csr, token: Token(token.into()) }).await
}

#[tokio::test]
async fn a_certificate_carries_the_name_that_the_token_proves_and_no_other() {
    let world = World::new().await;
    let key = KeyPair::generate().unwrap();
    let response = sign(&world, csr(&key), "shop/web/web-1").await.unwrap();
    let chain: Vec<_> =
        response.chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    assert_eq!(tls::uri_san(&chain[0]).unwrap().parse(), Ok(spiffe(WEB)));
    for usage in [Usage::Client, Usage::Server] {
        world.root.expecting(WEB).check(&chain, usage, UnixTime::now()).unwrap();
    }
    let authority = world.authorities.borrow().clone().unwrap();
    assert_eq!(Fingerprint::of(&chain[1]), authority.issuer.fingerprint());
    assert_eq!(response.trust, *authority.trust);
}

#[tokio::test]
async fn a_token_that_proves_nothing_gets_nothing() {
    let world = World::new().await;
    let refused = sign(&world, csr(&KeyPair::generate().unwrap()), "nonsense").await.unwrap_err();
    assert!(refused.to_string().contains("token refused"), "{refused}");
}

#[tokio::test]
async fn a_request_without_proof_of_possession_is_refused() {
    let world = World::new().await;
    let mut forged = csr(&KeyPair::generate().unwrap()).to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let refused = sign(&world, forged.into(), "shop/web/web-1").await.unwrap_err();
    assert!(refused.to_string().contains("signing request"), "{refused}");
}

#[tokio::test]
async fn a_key_of_another_kind_is_refused() {
    let world = World::new().await;
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let refused = sign(&world, csr(&key), "shop/web/web-1").await.unwrap_err();
    assert!(refused.to_string().contains("not ECDSA P-256"), "{refused}");
}

#[tokio::test]
async fn the_certificate_is_good_for_a_session() {
    let world = World::new().await;
    let key = KeyPair::generate().unwrap();
    let response = sign(&world, csr(&key), "shop/web/web-1").await.unwrap();
    let chain = response.chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let credentials = tls::Credentials { chain, key };
    let channel = world.channel_showing(Some(credentials)).await.unwrap();
    assert!(World::talk(channel, hello("web-1")).await.is_ok());
}
