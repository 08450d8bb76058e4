//! `http-client`: one request, and everything about its answer.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use crate::{
    flags,
    link::{self, Link, Sent, Target},
    output,
    reply::{BoxError, chain},
};

/// An answer longer than this is not shown.
const BIGGEST_ANSWER: usize = 4 << 20;

/// Flags of `testkit http-client`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  testkit http-client --url http://web:8080/a --header 'x-user: me'
Exits with 0 for a status of 2xx, 1 for any other, and 2 for no answer.")]
pub struct HttpArgs {
    /// What to request
    #[arg(long)]
    pub url: Uri,
    /// The method
    #[arg(long, default_value = "GET")]
    pub method: Method,
    /// A header, name:value; may be repeated
    #[arg(long = "header", value_parser = flags::header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body
    #[arg(long, default_value = "", hide_default_value = true)]
    pub data: String,
    /// Speak HTTP/2 in clear text instead of HTTP/1.1
    #[arg(long)]
    pub h2c: bool,
    /// How long it may take
    #[arg(long, default_value = "10s", value_parser = flags::duration)]
    pub timeout: Duration,
}

/// What came of one request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Got {
    /// Somebody answered.
    Answer(Answer),
    /// Nobody did.
    Nothing {
        /// Why.
        error: String,
    },
}

/// An answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: String,
    /// Every header; values of the same name are joined by a comma.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
    /// Trailers, joined like headers.
    pub trailers: BTreeMap<String, String>,
    /// From the start of the connection to the end of the body.
    pub took_us: u64,
}

impl Got {
    /// 0 for a success, 1 for any other answer, 2 for none.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Answer(Answer { status: 200..=299, .. }) => 0,
            Self::Answer(_) => 1,
            Self::Nothing { .. } => 2,
        }
    }
}

/// Sends the request, prints what came of it, and returns the exit code.
///
/// # Errors
/// When standard output is gone.
pub async fn run(args: &HttpArgs) -> anyhow::Result<u8> {
    let got = request(args).await;
    output::line(&got)?;
    Ok(got.exit_code())
}

/// Sends one request on a connection of its own.
pub async fn request(args: &HttpArgs) -> Got {
    match timeout(args.timeout, exchange(args)).await {
        Ok(Ok(answer)) => Got::Answer(answer),
        Ok(Err(error)) => Got::Nothing { error: chain(&*error) },
        Err(_late) => Got::Nothing { error: format!("no answer in {:?}", args.timeout) },
    }
}

async fn exchange(args: &HttpArgs) -> Result<Answer, BoxError> {
    let start = Instant::now();
    let mut request = Request::new(Full::<Bytes>::from(args.data.clone()));
    *request.method_mut() = args.method.clone();
    *request.uri_mut() = args.url.clone();
    request.headers_mut().extend(args.headers.iter().cloned());
    link::address(&mut request, args.h2c)?;
    let mut link = Link::open(&Target::of(&args.url)?, args.h2c).await?;
    let response = match link.send(request).await {
        Sent::Answered(response) => response,
        Sent::Unsent => return Err("the connection ended before the request".into()),
        Sent::Broken(error) => return Err(error.into()),
    };
    let (head, body) = response.into_parts();
    let body = Limited::new(body, BIGGEST_ANSWER).collect().await?;
    let trailers = body.trailers().map(joined).unwrap_or_default();
    Ok(Answer {
        status: head.status.as_u16(),
        protocol: format!("{:?}", head.version),
        headers: joined(&head.headers),
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        trailers,
        took_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
    })
}

fn joined(headers: &http::HeaderMap) -> BTreeMap<String, String> {
    let mut all = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        all.entry(name.to_string())
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    all
}
