//! A gRPC probe: `grpc.health.v1.Health/Check` over HTTP/2 without TLS, written by hand, since two
//! fields are all there is to it.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{CONTENT_TYPE, TE, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{Error, driven};

pub(super) async fn ask(
    stream: TcpStream,
    service: &str,
    agent: &str,
) -> Result<StatusCode, Error> {
    let request = request(service, agent)?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let answered = async move {
        let answer = sender.send_request(request).await?;
        health(answer).await
    };
    driven(answered, connection).await
}

fn request(service: &str, agent: &str) -> Result<Request<Full<Bytes>>, http::Error> {
    Request::post("http://application/grpc.health.v1.Health/Check")
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, HeaderValue::try_from(agent)?)
        .body(Full::new(message(service)))
}

/// A length-prefixed `HealthCheckRequest { service = 1 }`.
fn message(service: &str) -> Bytes {
    let mut body = BytesMut::new();
    if !service.is_empty() {
        body.put_u8(FIELD_1_BYTES);
        put_varint(&mut body, service.len());
        body.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(5 + body.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    framed.put(body);
    framed.freeze()
}

async fn health(answer: http::Response<Incoming>) -> Result<StatusCode, Error> {
    let (head, body) = answer.into_parts();
    if head.status != StatusCode::OK {
        return Err(Error::Health(format!("HTTP status {}", head.status)));
    }
    let body = Limited::new(body, LONGEST_ANSWER).collect().await;
    let body = body.map_err(|error| Error::Health(error.to_string()))?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    match grpc_status(&trailers).or_else(|| grpc_status(&head.headers)) {
        Some("0") | None => {}
        Some(code) => return Err(Error::Health(format!("gRPC status {code}"))),
    }
    match serving_status(&body.to_bytes()) {
        Some(SERVING) => Ok(StatusCode::OK),
        Some(status) => Err(Error::Health(format!("serving status {status}"))),
        None => Err(Error::Health("nothing that is a health status".to_owned())),
    }
}

fn grpc_status(headers: &HeaderMap) -> Option<&str> {
    headers.get("grpc-status")?.to_str().ok()
}

/// The field `status = 1` of a length-prefixed `HealthCheckResponse`; absent is 0 (UNKNOWN). The
/// message has no other field.
fn serving_status(framed: &[u8]) -> Option<u8> {
    let (_prefix, message) = framed.split_at_checked(5)?;
    match message {
        [] => Some(0),
        [FIELD_1_VARINT, status, ..] => Some(*status),
        [..] => None,
    }
}

fn put_varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.put_u8(u8::try_from(value).unwrap_or(0));
}

/// Protobuf's key of field 1, of a length-delimited and of a varint value.
const FIELD_1_BYTES: u8 = 0x0a;
const FIELD_1_VARINT: u8 = 0x08;
/// `HealthCheckResponse.ServingStatus.SERVING`.
const SERVING: u8 = 1;
const LONGEST_ANSWER: usize = 64 * 1024;
