//! Checkout: every sale is a payment, taken over gRPC.

use std::time::Duration;

use clap::Args;
use http::{HeaderMap, Response, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tonic::{
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};

use super::{Broken, ServiceArgs, Signature};
use crate::{
    caller,
    grpc::proto::shop::{PayReply, PayRequest, payment_client::PaymentClient},
    identity,
    reply::Body,
};

const CONNECT: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_secs(5);

/// Flags of `testkit shop checkout`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  testkit shop checkout --payment-url http://payment:8080 --version v2")]
pub struct CheckoutArgs {
    /// Where payment is
    #[arg(long, env = "PAYMENT_URL")]
    pub payment_url: Uri,
    /// What every service can be told
    #[command(flatten)]
    pub common: ServiceArgs,
}

/// A sale.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Receipt {
    /// Who sold.
    #[serde(flatten)]
    pub by: Signature,
    /// Who took the money.
    pub payment: Signature,
}

/// The service, with its way to payment.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    payment: PaymentClient<Channel>,
}

impl Checkout {
    /// Connects at the first sale.
    pub(super) fn new(args: &CheckoutArgs) -> anyhow::Result<Self> {
        let endpoint = Endpoint::new(args.payment_url.clone())?;
        let channel = endpoint.connect_timeout(CONNECT).timeout(DEADLINE).connect_lazy();
        Ok(Self { payment: PaymentClient::new(channel) })
    }

    pub(super) async fn answer(&self, by: Signature, incoming: &HeaderMap) -> Response<Body> {
        let order = PayRequest { order: "1 kg of canary seed".to_owned(), cents: 390 };
        let mut request = tonic::Request::new(order);
        let mut tracing = HeaderMap::new();
        caller::forward_tracing(incoming, &mut tracing);
        *request.metadata_mut() = MetadataMap::from_headers(tracing);
        match self.payment.clone().pay(request).await {
            Ok(reply) => receipt(by, reply.into_inner()),
            Err(status) => {
                let versions = status.metadata().clone().into_headers();
                Broken::new("payment", status.to_string(), &versions).answer()
            }
        }
    }
}

fn receipt(by: Signature, paid: PayReply) -> Response<Body> {
    let PayReply { service, version, pod, .. } = paid;
    let mut versions = HeaderMap::new();
    identity::sign_version(&mut versions, &service, &version);
    let payment = Signature { service, version, pod };
    super::relay(StatusCode::OK, &Receipt { by, payment }, &versions)
}
