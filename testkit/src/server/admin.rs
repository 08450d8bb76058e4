//! The admin port: changes faults while the application runs.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    fault::Faults,
    flags::{self, Ratio},
    reply::{self, Body},
    serve::{self, Answer, Call, ServeArgs},
};

/// A value in a body is shorter than this.
const BIGGEST_VALUE: usize = 64;

/// What the admin port says about the application.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct State {
    /// The share of requests that fail.
    pub error_ratio: f64,
    /// How many requests came by since the start, probes not counted.
    pub requests: u64,
}

#[derive(Clone, Debug)]
struct Admin(Faults);

/// Opens the admin port, if there is to be one.
///
/// # Errors
/// When it cannot be bound.
pub async fn open(
    serve: &ServeArgs,
    port: Option<u16>,
    faults: &Faults,
    stop: &CancellationToken,
) -> Result<(), serve::Error> {
    if let Some(port) = port {
        let listener = serve::listen("admin", SocketAddr::new(serve.bind, port)).await?;
        serve::beside(listener, Admin(faults.clone()), stop);
    }
    Ok(())
}

impl Answer for Admin {
    async fn answer(&self, call: Call) -> Response<Body> {
        let (head, body) = call.request.into_parts();
        let changed = match (head.method, head.uri.path()) {
            (Method::GET, _) => Ok(()),
            (Method::POST, "/admin/error-ratio") => self.set_error_ratio(body).await,
            (Method::POST, "/admin/delay") => self.set_delay(body).await,
            _ => Err("POST to /admin/error-ratio or /admin/delay".to_owned()),
        };
        match changed {
            Ok(()) => reply::json(StatusCode::OK, &self.state()),
            Err(why) => reply::text(StatusCode::BAD_REQUEST, why),
        }
    }
}

impl Admin {
    fn state(&self) -> State {
        State { error_ratio: self.0.error_ratio(), requests: self.0.requests() }
    }

    async fn set_error_ratio(&self, body: Incoming) -> Result<(), String> {
        self.0.set_error_ratio(value(body).await?.parse::<Ratio>()?);
        Ok(())
    }

    async fn set_delay(&self, body: Incoming) -> Result<(), String> {
        self.0.set_delay(flags::duration(value(body).await?.trim())?);
        Ok(())
    }
}

async fn value(body: Incoming) -> Result<String, String> {
    let body = Limited::new(body, BIGGEST_VALUE).collect().await.map_err(|e| e.to_string())?;
    let bytes: Bytes = body.to_bytes();
    String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string())
}
