//! gRPC beside HTTP: the calls of `proto/shop.proto` and the health service that kubelet asks.

use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tonic::body::Body as TonicBody;
use tower_service::Service as _;

use crate::{
    fault::Faults,
    identity::Identity,
    reply::{Body, BoxError},
};

mod health;
mod payment;
pub mod proto;
mod sequence;

pub(crate) use sequence::Sequence;

use proto::{health::health_server::HealthServer, shop::payment_server::PaymentServer};

/// Answers gRPC requests. Clones share their faults.
#[derive(Clone, Debug)]
pub struct Grpc {
    payment: PaymentServer<payment::Service>,
}

impl Grpc {
    /// A payment service with this identity and these faults. Its heartbeats end with their
    /// callers, or once it is `leaving`.
    #[must_use]
    pub fn new(identity: Identity, faults: Faults, leaving: CancellationToken) -> Self {
        Self { payment: PaymentServer::new(payment::Service::new(identity, faults, leaving)) }
    }

    /// Whether a request is for [`Grpc::answer`].
    #[must_use]
    pub fn is_meant(headers: &HeaderMap) -> bool {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with("application/grpc"))
    }

    /// Answers one request; a service that is not here is UNIMPLEMENTED.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
        let answered = match service.as_str() {
            "grpc.health.v1.Health" => HealthServer::new(health::Service).call(request).await,
            _ => self.payment.clone().call(request).await,
        };
        match answered {
            Ok(response) => response.map(boxed),
            Err(never) => match never {},
        }
    }
}

fn boxed(body: TonicBody) -> Body {
    body.map_err(BoxError::from).boxed_unsync()
}
