//! What travels between proxies and the control plane: whatever is understood means the same when
//! it is written again.

use bytes::Bytes;
use wire::{Encoded, untrusted};

use super::{Target, committed};
use crate::engine::behaviour;

pub(crate) const TARGET: Target = Target {
    name: "discovery",
    corpus: || committed("discovery"),
    words: &[
        "\u{a}\u{4}",
        "\u{12}\u{2}",
        "\u{8}\u{1}",
        "\u{10}",
        "shop",
        "spiffe://cluster.local/ns/a/sa/b",
        "10.0.0.0/8",
        "\u{1a}\0",
        "\u{7f}\u{7f}\u{7f}\u{7f}\u{f}",
    ],
    run,
};

/// The first byte says what the rest is.
fn run(bytes: &[u8]) -> u64 {
    let Some((kind, rest)) = bytes.split_first() else { return 0 };
    match kind % 3 {
        0 => resource(rest),
        1 => {
            let read = untrusted::to_control(rest);
            if let Some((message, again)) = &read {
                let reread = untrusted::to_control(again).map(|(message, _)| message);
                assert_eq!(reread.as_ref(), Some(message));
            }
            behaviour((1, read.map(|(message, _)| std::mem::discriminant(&message))))
        }
        _ => {
            let read = untrusted::from_control(rest);
            behaviour((2, read.map(|message| std::mem::discriminant(&message))))
        }
    }
}

fn resource(bytes: &[u8]) -> u64 {
    match untrusted::resource(&Bytes::copy_from_slice(bytes)) {
        Ok(resource) => {
            let again = Encoded::new(&resource).expect("what came in fits");
            assert_eq!(again.decode().as_ref(), Ok(&resource), "it means something else");
            behaviour((3, std::mem::discriminant(&resource), again.size().min(64)))
        }
        // The sentence names the field, so each is a behaviour.
        Err(invalid) => {
            let says: String =
                invalid.to_string().chars().filter(|c| c.is_ascii_alphabetic()).take(48).collect();
            behaviour((4, says))
        }
    }
}
