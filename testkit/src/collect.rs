//! `collect`: keeps what load generators report at their end, since a pod that is gone cannot be
//! asked any more.

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use http::{Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    client::http::{self as client, Got, HttpArgs},
    load::Stats,
    reply::{self, Body},
    serve::{self, Answer, Call, ServeArgs},
    tasks::Tasks,
};

/// Flags of `testkit collect`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  testkit collect --port 9100
  testkit load --url http://web:8080/ --name first --report http://collect:9100/")]
pub struct CollectArgs {
    /// Where
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What one load generator has counted in its life.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// What it calls itself.
    pub name: String,
    /// What it counted.
    pub stats: Stats,
}

impl Report {
    /// Sends it to `url`, once.
    ///
    /// # Errors
    /// If it is not taken.
    pub async fn send(&self, url: Uri, timeout: std::time::Duration) -> anyhow::Result<()> {
        let data = serde_json::to_string(self)?;
        let (method, headers, h2c) = (Method::POST, Vec::new(), false);
        let args = HttpArgs { url, method, headers, data, h2c, timeout };
        match client::request(&args).await {
            Got::Answer(answer) if answer.status == 200 => Ok(()),
            got => anyhow::bail!("the report was not taken: {got:?}"),
        }
    }
}

/// Collects until `stop`.
///
/// # Errors
/// When a port cannot be bound, or something accepted outlasted the patience.
pub async fn run(args: CollectArgs, stop: CancellationToken) -> Result<(), serve::Error> {
    serve::run(&args.serve, Collected::default(), &Tasks::default(), stop).await
}

/// All reports. Clones share them.
#[derive(Clone, Debug, Default)]
struct Collected(Arc<Mutex<Vec<Report>>>);

impl Answer for Collected {
    async fn answer(&self, call: Call) -> Response<Body> {
        let (head, body) = call.request.into_parts();
        match head.method {
            Method::GET if head.uri.path() == "/healthz" => reply::text(StatusCode::OK, "ok"),
            Method::GET => reply::json(StatusCode::OK, &self.all()),
            Method::POST => match Limited::new(body, BIGGEST).collect().await {
                Ok(body) => self.take(&body.to_bytes()),
                Err(error) => reply::text(StatusCode::BAD_REQUEST, reply::chain(&*error)),
            },
            _ => reply::text(StatusCode::METHOD_NOT_ALLOWED, "GET or POST"),
        }
    }
}

impl Collected {
    fn take(&self, body: &[u8]) -> Response<Body> {
        let report = match serde_json::from_slice(body) {
            Ok(report) => report,
            Err(error) => return reply::text(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            return reply::text(StatusCode::INSUFFICIENT_STORAGE, "there are too many");
        }
        all.push(report);
        reply::text(StatusCode::OK, "taken")
    }

    fn all(&self) -> Vec<Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A report is shorter than this.
const BIGGEST: usize = 256 << 10;
/// More than any test makes.
const MOST: usize = 4096;
