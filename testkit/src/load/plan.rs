//! What every request of a run looks like, worked out once.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use prost::Message as _;

use super::{LoadArgs, talk::Script};
use crate::{
    grpc::proto::shop::PayRequest,
    link::{self, Target},
    reply::BoxError,
};

const PAY: &str = "/testkit.shop.v1.Payment/Pay";

/// What every request looks like, and where it goes.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) http2: bool,
    pub(super) keep_alive: bool,
    pub(super) grpc: bool,
    pub(super) timeout: Duration,
    pub(super) version_header: HeaderName,
    /// Conversations are held instead of sending requests.
    pub(super) talk: Option<Script>,
    template: Request<Full<Bytes>>,
}

impl Plan {
    pub(super) fn new(args: &LoadArgs) -> Result<Self, BoxError> {
        let (http2, keep_alive) = (args.carry.h2c || args.carry.grpc, !args.carry.no_keepalive);
        let mut template = if args.carry.grpc { pay(&args.url)? } else { plain(args)? };
        link::address(&mut template, http2)?;
        template.headers_mut().extend(args.headers.iter().cloned());
        if !http2 && !keep_alive {
            template.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let target = Target::of(&args.url)?;
        Ok(Self {
            talk: Script::new(args.talk, &args.url, &target, args.timeout),
            target,
            http2,
            keep_alive,
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

fn plain(args: &LoadArgs) -> Result<Request<Full<Bytes>>, BoxError> {
    let body = Full::from(vec![0; usize::try_from(args.body)?]);
    Ok(Request::builder().method(args.method.clone()).uri(args.url.clone()).body(body)?)
}

/// A call of `Payment.Pay`: one message behind its flag and length.
fn pay(url: &Uri) -> Result<Request<Full<Bytes>>, BoxError> {
    let message = PayRequest { order: "load".to_owned(), cents: 100 }.encode_to_vec();
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len())?);
    body.put_slice(&message);
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static(PAY));
    let request = Request::builder()
        .method(Method::POST)
        .uri(Uri::from_parts(parts)?)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(header::TE, HeaderValue::from_static("trailers"));
    Ok(request.body(Full::new(body.freeze()))?)
}
