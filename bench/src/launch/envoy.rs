//! Envoy's configuration. Between the two of a pair it speaks HTTP/2, which is cheaper for it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Place, Side, Wire};
use crate::{CLIENT, SERVER};

pub(super) fn configuration(
    place: &Place,
    wire: Wire,
    side: Side,
    entry: SocketAddr,
    to: SocketAddr,
) -> String {
    let mut chain = json!({ "filters": [manager()] });
    let mut cluster = json!({
        "name": "server",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "server",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(to) } }] }],
        },
    });
    if let (Side::Server, Some(chain)) = (side, chain.as_object_mut()) {
        chain.insert("transport_socket".to_owned(), tls(place, SERVER, "Downstream"));
    }
    if let Some(cluster) = cluster.as_object_mut() {
        if wire == Wire::Http2 || side == Side::Client {
            cluster.insert("typed_extension_protocol_options".to_owned(), over_http2());
        }
        if side == Side::Client {
            cluster.insert("transport_socket".to_owned(), tls(place, CLIENT, "Upstream"));
        }
    }
    let listener = json!({ "address": address(entry), "filter_chains": [chain] });
    json!({ "static_resources": { "listeners": [listener], "clusters": [cluster] } }).to_string()
}

fn manager() -> Value {
    let filters = "type.googleapis.com/envoy.extensions.filters";
    json!({
        "name": "http",
        "typed_config": {
            "@type": format!(
                "{filters}.network.http_connection_manager.v3.HttpConnectionManager"
            ),
            "stat_prefix": "entry",
            "codec_type": "AUTO",
            "route_config": { "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{
                    "match": { "prefix": "/" },
                    "route": { "cluster": "server", "timeout": "0s" },
                }],
            }] },
            "http_filters": [{
                "name": "router",
                "typed_config": { "@type": format!("{filters}.http.router.v3.Router") },
            }],
        },
    })
}

fn over_http2() -> Value {
    let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({ name: {
        "@type": format!("type.googleapis.com/{name}"),
        "explicit_http_config": { "http2_protocol_options": {} },
    } })
}

fn tls(place: &Place, name: &str, way: &str) -> Value {
    let folder = place.identity(name);
    let file = |name: &str| json!({ "filename": folder.join(name).to_string_lossy() });
    let mut config = json!({
        "@type": format!(
            "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{way}TlsContext"
        ),
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": { "tls_minimum_protocol_version": "TLSv1_3",
                            "tls_maximum_protocol_version": "TLSv1_3" },
            "tls_certificates": [{
                "certificate_chain": file("chain.pem"),
                "private_key": file("key.pem"),
            }],
            "validation_context": { "trusted_ca": file("root.pem") },
        },
    });
    if let (true, Some(config)) = (way == "Downstream", config.as_object_mut()) {
        config.insert("require_client_certificate".to_owned(), json!(true));
    }
    json!({ "name": "tls", "typed_config": config })
}

fn address(at: SocketAddr) -> Value {
    json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } })
}
