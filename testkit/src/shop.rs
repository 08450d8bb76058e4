//! The demo's shop: four services, of which each request to the first reaches all.
//!
//! `frontend` asks `catalogue` for what there is and has `checkout` sell it, over HTTP; `checkout`
//! has `payment` take the money, over gRPC. Answers name the version of every service that had a
//! part in them (`x-version-NAME`), so that load on the frontend can watch a release of any.

use clap::{Args, Subcommand};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    fault::{FaultArgs, Faults},
    grpc::Grpc,
    identity::{self, Identity, IdentityArgs},
    reply::{self, Body},
    serve::{self, Answer, Call, ServeArgs},
    server::admin,
    tasks::Tasks,
};

mod catalogue;
mod checkout;
mod frontend;
mod payment;
mod upstream;

pub use catalogue::Item;
pub use checkout::{CheckoutArgs, Receipt};
pub use frontend::{FrontendArgs, Page};
pub use upstream::Broken;

/// Flags of `testkit shop`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  testkit shop checkout --payment-url http://payment:8080")]
pub struct ShopArgs {
    /// Which service to be
    #[command(subcommand)]
    pub role: Role,
}

/// The services.
#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// What customers talk to: calls catalogue and checkout
    Frontend(FrontendArgs),
    /// Knows what there is
    #[command(after_help = "Example:\n  testkit shop catalogue --version v2")]
    Catalogue(ServiceArgs),
    /// Sells: calls payment
    Checkout(CheckoutArgs),
    /// Takes the money, over gRPC
    #[command(after_help = "Example:\n  testkit shop payment --version v3 --error-ratio 0.05")]
    Payment(ServiceArgs),
}

/// What every service of the shop can be told.
#[derive(Args, Clone, Debug)]
pub struct ServiceArgs {
    /// In which version and pod
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Where
    #[command(flatten)]
    pub serve: ServeArgs,
    /// How it fails
    #[command(flatten)]
    pub fault: FaultArgs,
    /// A port to change faults at: `POST /admin/error-ratio`, `POST /admin/delay`
    #[arg(long, env = "TESTKIT_ADMIN_PORT")]
    pub admin_port: Option<u16>,
}

/// Runs one service until `stop`, then until it is drained.
///
/// # Errors
/// When an address is malformed, a port cannot be bound, or something outlasted the patience.
pub async fn run(args: ShopArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let (name, common, trade) = match args.role {
        Role::Frontend(args) => {
            let frontend = frontend::Frontend::new(&args);
            ("frontend", args.common, Trade::Frontend(frontend))
        }
        Role::Catalogue(common) => ("catalogue", common, Trade::Catalogue),
        Role::Checkout(args) => {
            let checkout = checkout::Checkout::new(&args)?;
            ("checkout", args.common, Trade::Checkout(checkout))
        }
        Role::Payment(common) => ("payment", common, Trade::Payment),
    };
    let faults = Faults::new(&common.fault, &Tasks::default());
    admin::open(&common.serve, common.admin_port, &faults, &stop).await?;
    let identity = common.identity.named(name);
    let grpc = Grpc::new(identity.clone(), faults.clone(), CancellationToken::new());
    let service = Service { identity, faults, grpc, trade };
    serve::run(&common.serve, service, &Tasks::default(), stop).await?;
    Ok(())
}

/// Who had a part in an answer.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Signature {
    /// The service.
    pub service: String,
    /// Its version.
    pub version: String,
    /// Its pod.
    pub pod: String,
}

/// One service of the shop.
#[derive(Clone, Debug)]
struct Service {
    identity: Identity,
    faults: Faults,
    grpc: Grpc,
    trade: Trade,
}

/// What a service does for a living.
#[derive(Clone, Debug)]
enum Trade {
    Frontend(frontend::Frontend),
    Catalogue,
    Checkout(checkout::Checkout),
    Payment,
}

impl Answer for Service {
    async fn answer(&self, call: Call) -> Response<Body> {
        let mut response = self.route(call.request).await;
        self.identity.sign(response.headers_mut());
        response
    }
}

impl Service {
    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        if matches!(self.trade, Trade::Payment) && Grpc::is_meant(request.headers()) {
            return self.grpc.answer(request).await;
        }
        if request.uri().path() == "/healthz" {
            return reply::text(StatusCode::OK, "ok");
        }
        if let Some(status) = self.faults.strike().await {
            return reply::text(status, "failed on demand");
        }
        let signature = self.signature();
        match &self.trade {
            Trade::Frontend(frontend) => frontend.answer(signature, request.headers()).await,
            Trade::Catalogue => reply::json(StatusCode::OK, &catalogue::ITEMS),
            Trade::Checkout(checkout) => checkout.answer(signature, request.headers()).await,
            Trade::Payment => reply::text(StatusCode::NOT_FOUND, payment::WRONG_DOOR),
        }
    }

    fn signature(&self) -> Signature {
        let Identity { name, version, pod } = self.identity.clone();
        Signature { service: name, version, pod }
    }
}

/// An answer made of others': in JSON, with the versions of all who had a part in it.
fn relay(status: StatusCode, value: &impl Serialize, versions: &HeaderMap) -> Response<Body> {
    let mut response = reply::json(status, value);
    identity::relay_versions(versions, response.headers_mut());
    response
}
