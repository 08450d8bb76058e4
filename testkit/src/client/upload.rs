//! `upload`: a body of any size, streamed, and checked against what the server says it got.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use futures::{StreamExt as _, stream};
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout};

use crate::{
    flags,
    link::{self, Link, Sent, Target},
    output,
    reply::{Body, BoxError},
    server::{Received, zeros},
};

const BIGGEST_ANSWER: usize = 64 << 10;

/// Flags of `testkit upload`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  testkit upload --url http://web:8080/upload --bytes 1GiB")]
pub struct UploadArgs {
    /// The /upload of a testkit server
    #[arg(long)]
    pub url: Uri,
    /// How much
    #[arg(long, default_value = "1GiB", value_parser = flags::size)]
    pub bytes: u64,
    /// Send it in chunks, without saying how long it is
    #[arg(long)]
    pub chunked: bool,
    /// Speak HTTP/2 in clear text instead of HTTP/1.1
    #[arg(long)]
    pub h2c: bool,
    /// How long it may take
    #[arg(long, default_value = "5m", value_parser = flags::duration)]
    pub timeout: Duration,
}

/// How it went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Uploaded {
    /// What arrived: as many bytes as were sent, and the same.
    pub received: Received,
    /// How long it took.
    pub seconds: f64,
}

/// Uploads.
///
/// # Errors
/// When the server cannot be reached, refuses, or got something else than was sent.
pub async fn run(args: &UploadArgs) -> anyhow::Result<()> {
    let start = Instant::now();
    let received = timeout(args.timeout, upload(args)).await?;
    let received = received.map_err(anyhow::Error::from_boxed)?;
    let expected = Received { bytes: args.bytes, sha256: hash(args.bytes) };
    anyhow::ensure!(received == expected, "sent {expected:?}, but {received:?} arrived");
    output::line(&Uploaded { received, seconds: start.elapsed().as_secs_f64() })?;
    Ok(())
}

async fn upload(args: &UploadArgs) -> Result<Received, BoxError> {
    let mut request = Request::post(args.url.clone());
    if !args.chunked {
        request = request.header(header::CONTENT_LENGTH, args.bytes);
    }
    let mut request = request.body(body(args.bytes))?;
    link::address(&mut request, args.h2c)?;
    let mut link = Link::open(&Target::of(&args.url)?, args.h2c).await?;
    let response = match link.send(request).await {
        Sent::Answered(response) => response,
        Sent::Unsent => return Err("the connection ended before the request".into()),
        Sent::Broken(error) => return Err(error.into()),
    };
    let (head, body) = response.into_parts();
    let body = Limited::new(body, BIGGEST_ANSWER).collect().await?.to_bytes();
    if !head.status.is_success() {
        return Err(format!("{}: {}", head.status, String::from_utf8_lossy(&body)).into());
    }
    Ok(serde_json::from_slice(&body)?)
}

fn body(bytes: u64) -> Body {
    let chunks = stream::iter(zeros(bytes));
    StreamBody::new(chunks.map(|chunk: Bytes| Ok(Frame::data(chunk)))).boxed_unsync()
}

fn hash(bytes: u64) -> String {
    let mut hash = Sha256::new();
    zeros(bytes).for_each(|chunk| hash.update(&chunk));
    hex::encode(hash.finalize())
}
