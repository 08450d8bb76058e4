//! The application that tests put behind a mesh: it describes what reached it, streams in both
//! directions, upgrades, calls others, and fails on demand. HTTP/1.1, HTTP/2 and gRPC on one port.

use clap::Args;
use http::{Method, Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::{
    caller::Caller,
    fault::{FaultArgs, Faults},
    grpc::Grpc,
    identity::{Identity, IdentityArgs},
    reply::{self, Body},
    serve::{self, Answer, Call, ServeArgs},
    tasks::Tasks,
};

pub mod admin;
mod call;
mod describe;
mod query;
mod stream;
pub(crate) mod websocket;

pub use describe::Described;
pub use stream::Received;
pub(crate) use stream::zeros;

/// Flags of `testkit server`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  testkit server --name web --version v3 --error-ratio 0.05")]
pub struct ServerArgs {
    /// The name of the service in answers
    #[arg(long, env = "TESTKIT_NAME", default_value = "testkit")]
    pub name: String,
    /// In which version and pod
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Where
    #[command(flatten)]
    pub serve: ServeArgs,
    /// How it fails
    #[command(flatten)]
    pub fault: FaultArgs,
    /// At SIGTERM end WebSockets and heartbeats in order, instead of waiting for their clients
    #[arg(long)]
    pub say_goodbye: bool,
    /// A port to change faults at: `POST /admin/error-ratio`, `POST /admin/delay`
    #[arg(long, env = "TESTKIT_ADMIN_PORT")]
    pub admin_port: Option<u16>,
}

/// Runs the server until `stop`, then until it is drained.
///
/// # Errors
/// When a port cannot be bound, or something accepted outlasted the patience.
pub async fn run(args: ServerArgs, stop: CancellationToken) -> Result<(), serve::Error> {
    let tasks = Tasks::default();
    let faults = Faults::new(&args.fault, &Tasks::default());
    admin::open(&args.serve, args.admin_port, &faults, &stop).await?;
    let leaving = if args.say_goodbye { stop.clone() } else { CancellationToken::new() };
    let server = Server::new(args.identity.named(&args.name), faults, tasks.clone(), leaving);
    serve::run(&args.serve, server, &tasks, stop).await
}

/// The application itself. Clones share their state.
#[derive(Clone, Debug)]
pub struct Server {
    identity: Identity,
    faults: Faults,
    tasks: Tasks,
    caller: Caller,
    grpc: Grpc,
    leaving: CancellationToken,
}

impl Server {
    /// An application; its WebSockets run in `tasks`. They and its heartbeats end with their
    /// clients, or once it is `leaving`.
    #[must_use]
    pub fn new(
        identity: Identity,
        faults: Faults,
        tasks: Tasks,
        leaving: CancellationToken,
    ) -> Self {
        let grpc = Grpc::new(identity.clone(), faults.clone(), leaving.clone());
        Self { identity, faults, tasks, caller: Caller::new(), grpc, leaving }
    }

    async fn route(&self, call: Call) -> Response<Body> {
        if Grpc::is_meant(call.request.headers()) {
            return self.grpc.answer(call.request).await;
        }
        let path = call.request.uri().path().to_owned();
        if path == "/healthz" {
            return reply::text(StatusCode::OK, "ok");
        }
        if let Some(status) = self.faults.strike().await {
            return reply::text(status, "failed on demand");
        }
        let (first, rest) = first_segment(&path);
        match (call.request.method(), first) {
            (_, "echo") => stream::echo(call.request),
            (&Method::POST | &Method::PUT, "upload") => stream::upload(call.request).await,
            (_, "download") => stream::download(call.request.uri()),
            (_, "trailers") => stream::trailers(),
            (_, "status") => status(rest),
            (_, "delay") => delay(rest).await,
            (_, "fail") => fail(call.request.uri()),
            (_, "ws") => websocket::upgrade(call.request, &self.tasks, &self.leaving),
            (_, "call") => call::call(&self.caller, &call.request).await,
            _ => describe::describe(&self.identity, &call),
        }
    }
}

impl Answer for Server {
    async fn answer(&self, call: Call) -> Response<Body> {
        let mut response = self.route(call).await;
        self.identity.sign(response.headers_mut());
        response
    }
}

/// `/delay/50` is `delay` and `50`.
fn first_segment(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or((path, ""))
}

/// `/status/404` answers 404.
fn status(code: &str) -> Response<Body> {
    match code.parse::<StatusCode>() {
        Ok(status) if !status.is_informational() => reply::text(status, status.to_string()),
        Ok(_) | Err(_) => reply::text(StatusCode::BAD_REQUEST, "write /status/CODE, 200 to 999"),
    }
}

/// `/delay/50` answers after 50 ms.
async fn delay(millis: &str) -> Response<Body> {
    let Ok(millis) = millis.parse() else {
        return reply::text(StatusCode::BAD_REQUEST, "write /delay/MILLISECONDS");
    };
    tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
    reply::text(StatusCode::OK, format!("waited {millis} ms"))
}

/// `/fail?ratio=0.3` answers 500 to 3 of 10 requests.
fn fail(uri: &http::Uri) -> Response<Body> {
    let Some(Ok(ratio)) = query::value(uri, "ratio").map(|r| r.parse::<crate::flags::Ratio>())
    else {
        return reply::text(StatusCode::BAD_REQUEST, "write /fail?ratio=0.3");
    };
    if crate::fault::draw(ratio.get()) {
        return reply::text(StatusCode::INTERNAL_SERVER_ERROR, "failed on demand");
    }
    reply::text(StatusCode::OK, "ok")
}
