//! Identities: what parses, what does not, and what is sent as server name.

use super::*;

fn check(text: &str, expect: Option<(&str, &str, &str)>) {
    let parsed = text.parse::<SpiffeId>().ok();
    let seen = parsed
        .as_ref()
        .map(|id| (id.trust_domain().as_str(), id.namespace(), id.service_account()));
    assert_eq!(seen, expect, "{text}");
    if let Some(id) = parsed {
        assert_eq!(id.to_string(), text);
    }
}

#[test]
fn only_the_one_form_is_an_identity() {
    check("spiffe://cluster.local/ns/shop/sa/cart", Some(("cluster.local", "shop", "cart")));
    for wrong in [
        "",
        "spiffe://",
        "spiffe://cluster.local",
        "spiffe://cluster.local/ns/shop",
        "spiffe://cluster.local/ns//sa/cart",
        "spiffe://cluster.local/ns/shop/sa/",
        "spiffe://cluster.local/ns/shop/sa/cart/",
        "spiffe://cluster.local/ns/shop/sa/cart/more",
        "spiffe://CLUSTER/ns/shop/sa/cart",
        "https://cluster.local/ns/shop/sa/cart",
        "spiffe:///ns/shop/sa/cart",
        "spiffe://a/ns/b/ns/c/sa/d",
    ] {
        check(wrong, None);
    }
}

#[test]
fn a_server_name_is_a_dns_name_and_differs_per_identity() {
    let cart: SpiffeId = "spiffe://cluster.local/ns/shop/sa/cart".parse().unwrap();
    let pay: SpiffeId = "spiffe://cluster.local/ns/shop/sa/pay".parse().unwrap();
    assert_ne!(cart.server_name(), pay.server_name());
    assert_eq!(cart.server_name().len(), 32 + ".mesh.serin".len());
}
