//! How connections begin: what is spoken, whom a ClientHello is for, and whose connection a load
//! balancer passes on.
//!
//! Bytes come in pieces, so the claim is the same for all: once there is an answer, more bytes do
//! not change it, and fewer never gave another.

use std::fmt::Debug;

use proxy::detect::{Spoken, client_hello, client_hello::Parsed, detect, proxy_protocol};

use super::{Target, committed};
use crate::engine::behaviour;

pub(crate) const CLIENT_HELLO: Target = Target {
    name: "client-hello",
    corpus: || committed("client-hello"),
    words: &["serin-h2", "serin-h1", "h2", "\u{16}\u{3}\u{1}", "\0\0", "\0\u{10}", "\u{1}\0"],
    run: |bytes| {
        let parsed = holds(bytes, |bytes| match client_hello::parse(bytes) {
            Parsed::Partial => None,
            parsed => Some(parsed),
        });
        behaviour(match parsed {
            None => (0, 0, false),
            Some(Parsed::Hello(hello)) => {
                (1, hello.protocols.len().min(8), hello.server_name.is_some())
            }
            Some(_) => (2, 0, false),
        })
    },
};

pub(crate) const DETECT: Target = Target {
    name: "detect",
    corpus: || committed("detect"),
    words: &[
        "GET ",
        "POST ",
        " HTTP/1.1\r\n",
        " HTTP/1.0\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\r\n",
        "\u{16}\u{3}\u{1}",
        " ",
    ],
    run: |bytes| {
        let spoken = holds(bytes, detect);
        behaviour(match spoken {
            None => (0, bytes.first().copied()),
            Some(Spoken::Http1) => (1, bytes.first().copied()),
            Some(Spoken::Http2) => (2, None),
            Some(Spoken::Tls(_)) => (3, None),
            Some(Spoken::Opaque) => (4, bytes.first().copied()),
        })
    },
};

pub(crate) const PROXY_PROTOCOL: Target = Target {
    name: "proxy-protocol",
    corpus: || committed("proxy-protocol"),
    words: &[
        "PROXY ",
        "TCP4 ",
        "TCP6 ",
        "UNKNOWN",
        "192.0.2.1 ",
        "::1 ",
        "65535",
        "\r\n",
        "\r\n\r\n\0\r\nQUIT\n",
    ],
    run: |bytes| {
        let parsed = holds(bytes, |bytes| match proxy_protocol::parse(bytes) {
            proxy_protocol::Parsed::Partial => None,
            parsed => Some(parsed),
        });
        behaviour(match parsed {
            None => (0, false, 0),
            Some(proxy_protocol::Parsed::Header(header)) => {
                assert!(header.length <= bytes.len(), "longer than what there is");
                assert!(header.length > 0, "nothing was read");
                (1, header.client.is_some(), header.length.min(300))
            }
            Some(_) => (2, false, 0),
        })
    },
};

/// What `read` says of all bytes, after asking it about shorter pieces.
fn holds<T: Debug + PartialEq>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    let all = read(bytes);
    // The beginning matters most, and all of it would take too long.
    let near = (0..bytes.len().min(80)).chain((80..bytes.len()).step_by(97));
    for end in near {
        let piece = read(bytes.get(..end).unwrap_or_default());
        assert!(piece.is_none() || piece == all, "{piece:?} after {end} bytes, {all:?} after all");
    }
    all
}
