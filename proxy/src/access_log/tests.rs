use std::{
    io,
    sync::mpsc::{Sender, channel},
    time::{Duration, SystemTime},
};

use model::weight::Weight;
use serde_json::Value;

use super::*;
use crate::{http::head::Head, metrics::labels::Flags};

struct Lines(Sender<Vec<u8>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log(switch: Switch) -> (AccessLog, Receiver<Vec<u8>>) {
    let (sender, written) = channel();
    let clock = Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(10));
    (AccessLog::new(clock, Lines(sender), switch).unwrap(), written)
}

fn outcome(code: u16, flags: Flags) -> Outcome {
    let took = Duration::from_secs(1);
    Outcome { inbound: false, code, grpc_status: None, flags, took, bytes: [3, 4] }
}

fn entry(agent: &str) -> Entry {
    let request = http::Request::get("/a?b=c").header("host", "shop").header("user-agent", agent);
    let head = Head::from_parts(request.body(()).unwrap().into_parts().0);
    Entry {
        client: Some("10.0.0.1:4000".parse().unwrap()),
        original: Some("10.96.0.1:80".parse().unwrap()),
        upstream: Some("10.0.0.2:8080".parse().unwrap()),
        upstream_time: Some(Duration::from_millis(7)),
        route: Some("shop/web".into()),
        service: Some("web.shop:80".to_owned()),
        ..Entry::new(&head)
    }
}

/// The line of one ending, and what follows it is `-`.
fn written(how: How, entry: &Entry, outcome: &Outcome) -> String {
    let (log, written) = log(Switch::On);
    assert!(log.book(how).write(entry, outcome));
    String::from_utf8(written.recv().unwrap()).unwrap()
}

const TEXT: How = How { encoding: Encoding::Text, sampling: Weight::ALL, only_errors: false };

#[test]
fn a_request_is_one_json_line_with_istios_fields() {
    let line = written(How::default(), &entry("x"), &outcome(200, Flags::None));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["start_time"], "1970-01-01T00:00:09.000Z");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/a?b=c");
    assert_eq!(line["authority"], "shop");
    assert_eq!(line["response_code"], 200);
    assert_eq!(line["response_code_details"], "via_upstream");
    assert_eq!(line["response_flags"], "-");
    assert_eq!(line["bytes_received"], 3);
    assert_eq!(line["bytes_sent"], 4);
    assert_eq!(line["duration"], 1000);
    for field in ISTIOS {
        assert!(line.get(field).is_some(), "{field}");
    }
}

/// The fields that Istio's proxies log as JSON by default.
const ISTIOS: [&str; 24] = [
    "authority",
    "bytes_received",
    "bytes_sent",
    "connection_termination_details",
    "downstream_local_address",
    "downstream_remote_address",
    "duration",
    "method",
    "path",
    "protocol",
    "request_id",
    "requested_server_name",
    "response_code",
    "response_code_details",
    "response_flags",
    "route_name",
    "start_time",
    "upstream_cluster",
    "upstream_host",
    "upstream_local_address",
    "upstream_service_time",
    "upstream_transport_failure_reason",
    "user_agent",
    "x_forwarded_for",
];

#[test]
fn a_request_is_one_line_of_istios_text() {
    assert_eq!(
        written(TEXT, &entry("curl/8"), &outcome(200, Flags::None)),
        "[1970-01-01T00:00:09.000Z] \"GET /a?b=c HTTP/1.1\" 200 - via_upstream - \"-\" 3 4 1000 7 \
         \"-\" \"curl/8\" \"-\" \"shop\" \"10.0.0.2:8080\" web.shop:80 - 10.96.0.1:80 10.0.0.1:4000 - \
         shop/web\n"
    );
}

#[test]
fn a_byte_stream_is_a_line_without_a_request() {
    let stream = Entry { head: None, route: None, upstream_time: None, ..entry("") };
    assert_eq!(
        written(TEXT, &stream, &outcome(0, Flags::UpstreamTermination)),
        "[1970-01-01T00:00:09.000Z] \"- - -\" 0 UC - - \"-\" 3 4 1000 - \"-\" \"-\" \"-\" \"-\" \
         \"10.0.0.2:8080\" web.shop:80 - 10.96.0.1:80 10.0.0.1:4000 - -\n"
    );
}

#[test]
fn a_client_cannot_write_fields_of_its_own() {
    let forged = "x\" \"id\" \\";
    let line = written(TEXT, &entry(forged), &outcome(200, Flags::None));
    assert!(line.contains(r#" "x\" \"id\" \\" "#), "{line}");
}

#[test]
fn what_went_well_is_left_out_if_only_errors_are_wanted() {
    let (log, written) = log(Switch::On);
    let book = log.book(How { only_errors: true, ..TEXT });
    let failed = Outcome { grpc_status: Some(14), ..outcome(200, Flags::None) };
    let fine = Outcome { grpc_status: Some(0), ..outcome(200, Flags::None) };
    let endings = [
        (fine, false),
        (outcome(0, Flags::None), false),
        (outcome(404, Flags::None), true),
        (outcome(200, Flags::UpstreamTermination), true),
        (failed, true),
    ];
    for (outcome, is_written) in &endings {
        assert_eq!(outcome.is_error(), *is_written, "{outcome:?}");
        assert!(book.write(&entry(""), outcome));
    }
    drop((log, book));
    let lines: Vec<u8> = written.iter().flatten().collect();
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 3);
}

#[test]
fn a_pod_has_the_last_word() {
    let errors = How { only_errors: true, ..TEXT };
    for (switch, mesh, how) in [
        (Switch::AsTheMeshSays, None, None),
        (Switch::AsTheMeshSays, Some(errors), Some(errors)),
        (Switch::Off, Some(errors), None),
        (Switch::On, Some(errors), Some(errors)),
        (Switch::On, None, Some(How::default())),
    ] {
        assert_eq!(log(switch).0.how(mesh), how, "{switch:?} {mesh:?}");
    }
}
