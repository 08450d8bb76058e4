//! haproxy's configuration. Between the two of a pair it speaks HTTP/1.1, as it does by default.

use std::net::SocketAddr;

use super::{Place, Side, Wire};
use crate::{CLIENT, SERVER};

pub(super) fn configuration(
    place: &Place,
    wire: Wire,
    side: Side,
    entry: SocketAddr,
    to: SocketAddr,
) -> String {
    let mode = if wire == Wire::Bytes { "tcp" } else { "http" };
    let proto = if wire == Wire::Http2 { " proto h2" } else { "" };
    let tls = |name: &str| {
        let folder = place.identity(name);
        let folder = folder.display();
        format!(
            " ssl crt {folder}/both.pem ca-file {folder}/root.pem verify required \
             ssl-min-ver TLSv1.3"
        )
    };
    let front = if side == Side::Server { tls(SERVER) } else { String::new() };
    let back = if side == Side::Client { tls(CLIENT) } else { String::new() };
    format!(
        "global
  nbthread 1
  maxconn 4000
defaults
  mode {mode}
  timeout connect 5s
  timeout client 600s
  timeout server 600s
{reuse}frontend entry
  bind {entry}{proto}{front}
  default_backend server
backend server
  server one {to}{proto}{back}
",
        reuse = if mode == "http" { "  http-reuse always\n" } else { "" },
    )
}
