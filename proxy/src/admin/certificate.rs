//! The material in use, as `/certs` shows it. The key is not among it.

use serde_json::{Value, json};

use crate::identity::Material;

pub(super) fn show(material: Option<&Material>) -> Value {
    let Some(material) = material else { return json!({ "certificate": null }) };
    let leaf = material.leaf();
    let roots: Vec<_> =
        material.trust.anchors.iter().map(|root| root.fingerprint().to_string()).collect();
    json!({
        "certificate": {
            "id": material.id.to_string(),
            "issuer": leaf.map(|leaf| leaf.issuer.to_string()),
            "notAfter": leaf.map(|leaf| timestamp(leaf.not_after)),
            "generation": material.generation,
        },
        "trust": {
            "decision": material.trust.decision,
            "fingerprint": material.trust.fingerprint().to_string(),
            "roots": roots,
        },
    })
}

fn timestamp(seconds: u64) -> Option<String> {
    let seconds = i64::try_from(seconds).ok()?;
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}
