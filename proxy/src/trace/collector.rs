//! The collector, in either of the protocols that it may speak.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header::CONTENT_TYPE, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use model::mesh::{Otlp, Tracing};
use prost::Message as _;
use tonic::{
    Code,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::otlp;
use crate::cause::causes;

/// A collector that spans can be sent to. Connections are made when they are needed.
#[derive(Debug)]
pub(super) enum Collector {
    Grpc(Grpc<Channel>),
    Http { client: Box<Client<HttpConnector, Full<Bytes>>>, url: Uri },
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may be taken later.
    Unable(String),
    /// It will not be.
    Refused(String),
}

impl Collector {
    pub(super) fn new(tracing: &Tracing) -> Option<Self> {
        match tracing.protocol() {
            Otlp::Grpc => {
                let endpoint = Endpoint::from_shared(tracing.url()).ok()?;
                let channel = endpoint.connect_timeout(PATIENCE).connect_lazy();
                Some(Self::Grpc(Grpc::new(channel)))
            }
            Otlp::Http => {
                let mut connector = HttpConnector::new();
                connector.set_connect_timeout(Some(PATIENCE));
                let mut builder = Client::builder(TokioExecutor::new());
                builder.pool_max_idle_per_host(1);
                let client = Box::new(builder.build(connector));
                Some(Self::Http { client, url: tracing.url().parse().ok()? })
            }
        }
    }

    /// Sends spans, within a limit of its own; says how many of them the collector turned away.
    pub(super) async fn send(&mut self, spans: &otlp::Request) -> Result<usize, Failure> {
        let sent = async {
            match self {
                Self::Grpc(client) => call(client, spans.clone()).await,
                Self::Http { client, url } => post(client, url.clone(), spans).await,
            }
        };
        let sent = tokio::time::timeout(PATIENCE, sent).await;
        let response =
            sent.map_err(|_elapsed| Failure::Unable("no answer in time".to_owned()))??;
        let rejected = response.partial_success.map_or(0, |partial| partial.rejected_spans);
        Ok(usize::try_from(rejected).unwrap_or(0))
    }
}

async fn call(client: &mut Grpc<Channel>, spans: otlp::Request) -> Result<otlp::Response, Failure> {
    let failed = |error: tonic::transport::Error| Failure::Unable(causes(&error));
    client.ready().await.map_err(failed)?;
    let (request, path) = (tonic::Request::new(spans), PathAndQuery::from_static(EXPORT));
    let answered = client.unary(request, path, ProstCodec::default()).await;
    answered.map(tonic::Response::into_inner).map_err(|status| judge_call(&status))
}

/// OTLP specification, "Failures" of OTLP/gRPC.
fn judge_call(status: &tonic::Status) -> Failure {
    let why = causes(status);
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Failure::Unable(why),
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => Failure::Refused(why),
    }
}

async fn post(
    client: &Client<HttpConnector, Full<Bytes>>,
    url: Uri,
    spans: &otlp::Request,
) -> Result<otlp::Response, Failure> {
    let mut request = Request::post(url).body(Full::new(spans.encode_to_vec().into()));
    if let Ok(request) = &mut request {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
    }
    let request = request.map_err(|error| Failure::Refused(error.to_string()))?;
    let answered = client.request(request).await;
    let answered = answered.map_err(|error| Failure::Unable(causes(&error)))?;
    let status = answered.status();
    let body = Limited::new(answered.into_body(), LONGEST_ANSWER).collect().await;
    match status {
        // Spans that were taken are not sent again, whatever is said about them.
        status if status.is_success() => {
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            Ok(otlp::Response::decode(body).unwrap_or_default())
        }
        // OTLP specification, "Failures" of OTLP/HTTP.
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Err(Failure::Unable(format!("answered {status}"))),
        _ => Err(Failure::Refused(format!("answered {status}"))),
    }
}

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const PROTOBUF: &str = "application/x-protobuf";
const LONGEST_ANSWER: usize = 64 * 1024;
/// How long a batch may take.
const PATIENCE: Duration = Duration::from_secs(5);
