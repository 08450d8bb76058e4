//! Lines of the log, in the two forms that Istio's proxies write by default. Pure.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use serde_json::json;

use super::entry::{Entry, Outcome};
use crate::metrics::labels::Flags;

/// A JSON object with Istio's fields. `direction` and `grpc_status` are ours.
pub(super) fn json(entry: &Entry, outcome: &Outcome, ended: SystemTime) -> String {
    let Entry { head, client, original, upstream, upstream_time, route, service } = entry;
    let Outcome { inbound, code, grpc_status, flags, took, bytes: [received, sent] } = outcome;
    let head = head.as_ref();
    json!({
        "start_time": started(ended, *took),
        "direction": if *inbound { "inbound" } else { "outbound" },
        "method": head.map(|head| &head.method),
        "path": head.map(|head| &head.path),
        "protocol": head.map(|head| head.protocol),
        "response_code": code,
        "response_code_details": details(entry, outcome),
        "connection_termination_details": null,
        "grpc_status": grpc_status,
        "response_flags": flags.label(),
        "bytes_received": received,
        "bytes_sent": sent,
        "duration": millis(*took),
        "upstream_service_time": upstream_time.map(millis),
        "upstream_transport_failure_reason": null,
        "x_forwarded_for": head.and_then(|head| head.forwarded_for.as_deref()),
        "user_agent": head.and_then(|head| head.user_agent.as_deref()),
        "request_id": head.and_then(|head| head.request_id.as_deref()),
        "authority": head.and_then(|head| head.authority.as_deref()),
        "upstream_host": upstream.map(|address| address.to_string()),
        "upstream_cluster": service,
        "upstream_local_address": null,
        "downstream_local_address": original.map(|address| address.to_string()),
        "downstream_remote_address": client.map(|address| address.to_string()),
        "requested_server_name": null,
        "route_name": route.as_deref(),
    })
    .to_string()
}

/// Istio's default text. What is not known is `-`, as there.
pub(super) fn text(entry: &Entry, outcome: &Outcome, ended: SystemTime) -> String {
    let Entry { head, client, original, upstream, upstream_time, route, service } = entry;
    let Outcome { code, flags, took, bytes: [received, sent], .. } = outcome;
    let head = head.as_ref();
    let request = head.map_or_else(
        || Quoted("- - -").to_string(),
        |head| Quoted(&format!("{} {} {}", head.method, head.path, head.protocol)).to_string(),
    );
    let quoted = |text: Option<&String>| Quoted(text.map_or("-", String::as_str)).to_string();
    [
        format!("[{}]", started(ended, *took).as_deref().unwrap_or("-")),
        request,
        code.to_string(),
        flags.label().to_owned(),
        details(entry, outcome).unwrap_or("-").to_owned(),
        "-".to_owned(),
        Quoted("-").to_string(),
        received.to_string(),
        sent.to_string(),
        millis(*took).to_string(),
        or_dash(upstream_time.map(millis)),
        quoted(head.and_then(|head| head.forwarded_for.as_ref())),
        quoted(head.and_then(|head| head.user_agent.as_ref())),
        quoted(head.and_then(|head| head.request_id.as_ref())),
        quoted(head.and_then(|head| head.authority.as_ref())),
        Quoted(&or_dash(*upstream)).to_string(),
        or_dash(service.as_ref()),
        "-".to_owned(),
        or_dash(*original),
        or_dash(*client),
        "-".to_owned(),
        or_dash(route.as_ref()),
    ]
    .join(" ")
}

/// Who is to thank for the answer, in Envoy's words.
fn details(entry: &Entry, outcome: &Outcome) -> Option<&'static str> {
    entry.head.as_ref()?;
    if entry.upstream_time.is_some() {
        return Some("via_upstream");
    }
    match outcome.flags {
        Flags::NoRoute => Some("route_not_found"),
        Flags::NoHealthyUpstream => Some("no_healthy_upstream"),
        Flags::UpstreamFailure => {
            Some("upstream_reset_before_response_started{connection_failure}")
        }
        Flags::UpstreamTermination => {
            Some("upstream_reset_before_response_started{connection_termination}")
        }
        Flags::DownstreamTermination => Some("downstream_remote_disconnect"),
        _ => Some("direct_response"),
    }
}

/// Text in quotes. Those within are escaped: a client writes its own name, and no more than that.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"")
    }
}

fn or_dash(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn started(ended: SystemTime, took: Duration) -> Option<String> {
    let at = Timestamp::try_from(ended.checked_sub(took)?).ok()?;
    Some(format!("{at:.3}"))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
