//! What every request of a run looks like, worked out once.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use http_body_util::Full;
use prost::Message as _;
use thiserror::Error;

use super::LoadArgs;
use crate::grpc::proto::shop::PayRequest;

const PAY: &str = "/testkit.shop.v1.Payment/Pay";

/// How requests are carried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    Http1 { keep_alive: bool },
    Http2 { keep_alive: bool },
}

/// Why there is nothing to request.
#[derive(Debug, Error)]
pub(super) enum Error {
    #[error("'{0}' is no URL of the form http://HOST:PORT/PATH")]
    Url(Uri),
    #[error("failed to make a request of it")]
    Request(#[from] http::Error),
}

/// What every request looks like, and where it goes.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    pub(super) grpc: bool,
    pub(super) timeout: Duration,
    pub(super) version_header: HeaderName,
    template: Request<Full<Bytes>>,
}

impl Plan {
    pub(super) fn new(args: &LoadArgs) -> Result<Self, Error> {
        let wrong = || Error::Url(args.url.clone());
        let authority = args.url.authority().ok_or_else(wrong)?;
        if args.url.scheme_str() != Some("http") {
            return Err(wrong());
        }
        let keep_alive = !args.carry.no_keepalive;
        let protocol = if args.carry.h2c || args.carry.grpc {
            Protocol::Http2 { keep_alive }
        } else {
            Protocol::Http1 { keep_alive }
        };
        let mut template = if args.carry.grpc {
            pay(&args.url)?
        } else {
            plain(args, authority.as_str(), protocol)?
        };
        template.headers_mut().extend(args.headers.iter().cloned());
        Ok(Self {
            host: args.url.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            protocol,
            grpc: args.carry.grpc,
            timeout: args.timeout,
            version_header: args.version_header.clone(),
            template,
        })
    }

    /// The next request, equal to all others.
    pub(super) fn request(&self) -> Request<Full<Bytes>> {
        self.template.clone()
    }
}

/// HTTP/1.1 puts the path on its first line and the host in a header; HTTP/2 takes the whole URL.
fn plain(
    args: &LoadArgs,
    authority: &str,
    protocol: Protocol,
) -> Result<Request<Full<Bytes>>, Error> {
    let body = Full::from(vec![0; usize::try_from(args.body).unwrap_or(usize::MAX)]);
    let mut request = Request::builder().method(args.method.clone());
    request = match protocol {
        Protocol::Http2 { .. } => request.version(Version::HTTP_2).uri(args.url.clone()),
        Protocol::Http1 { keep_alive } => {
            let path = args.url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
            let request = request.uri(path).header(header::HOST, authority);
            if keep_alive { request } else { request.header(header::CONNECTION, "close") }
        }
    };
    Ok(request.body(body)?)
}

/// A call of `Payment.Pay`: one message behind its flag and length.
fn pay(url: &Uri) -> Result<Request<Full<Bytes>>, Error> {
    let message = PayRequest { order: "load".to_owned(), cents: 100 }.encode_to_vec();
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(&message);
    let uri = Uri::builder()
        .scheme("http")
        .authority(url.authority().map_or("", http::uri::Authority::as_str))
        .path_and_query(PAY)
        .build()?;
    let request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(uri)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(header::TE, HeaderValue::from_static("trailers"));
    Ok(request.body(Full::new(body.freeze()))?)
}
