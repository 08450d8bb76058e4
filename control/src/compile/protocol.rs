//! What a service's port speaks, as its owner says: by `appProtocol`, else by the prefix of the
//! port's name as Istio reads it.

use model::service::Protocol;

/// What a port named `name` speaks, if `app_protocol` is given as it is.
#[must_use]
pub fn of_port(name: &str, app_protocol: Option<&str>) -> Protocol {
    match app_protocol {
        Some(said) => of_word(said.strip_prefix("kubernetes.io/").unwrap_or(said)),
        None => of_word(prefix(name)),
    }
}

/// `grpc-web` is a word of its own; of all others the part before the first dash counts.
fn prefix(name: &str) -> &str {
    if name == "grpc-web" || name.starts_with("grpc-web-") {
        return "grpc-web";
    }
    name.split_once('-').map_or(name, |(prefix, _)| prefix)
}

fn of_word(word: &str) -> Protocol {
    match word.to_ascii_lowercase().as_str() {
        "http" | "http1" | "ws" | "grpc-web" => Protocol::Http,
        "http2" | "h2c" | "grpc" => Protocol::Http2,
        "tcp" | "tls" | "https" | "wss" | "mongo" | "mysql" | "redis" => Protocol::Tcp,
        _ => Protocol::Detect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, app_protocol: Option<&str>, expect: Protocol) {
        assert_eq!(of_port(name, app_protocol), expect, "{name} {app_protocol:?}");
    }

    #[test]
    fn a_ports_name_says_what_it_speaks_up_to_the_first_dash() {
        check("http", None, Protocol::Http);
        check("http-web", None, Protocol::Http);
        check("grpc-web", None, Protocol::Http);
        check("grpc-api", None, Protocol::Http2);
        check("http2", None, Protocol::Http2);
        check("https-admin", None, Protocol::Tcp);
        check("mysql", None, Protocol::Tcp);
        check("httpbin", None, Protocol::Detect);
        check("metrics", None, Protocol::Detect);
        check("", None, Protocol::Detect);
    }

    #[test]
    fn an_app_protocol_overrules_the_name() {
        check("http", Some("kubernetes.io/h2c"), Protocol::Http2);
        check("tcp", Some("kubernetes.io/ws"), Protocol::Http);
        check("http", Some("kubernetes.io/wss"), Protocol::Tcp);
        check("http", Some("example.com/own"), Protocol::Detect);
        check("x", Some("GRPC"), Protocol::Http2);
    }
}
