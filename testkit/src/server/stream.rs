//! Bodies that stream: echoed, counted, produced, and with trailers at their end.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::query;
use crate::{
    flags,
    reply::{self, Body, BoxError},
};

/// How much of a download is made at a time.
const CHUNK: usize = 64 << 10;
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// What `/upload` says it got.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Received {
    /// How many bytes the body had.
    pub bytes: u64,
    /// Their SHA-256, in hex.
    pub sha256: String,
}

/// Sends the request's body back while it arrives, trailers included.
pub(super) fn echo(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(body.map_err(BoxError::from).boxed_unsync());
    if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    response
}

/// Reads the whole body, keeping none of it, and says what it was.
pub(super) async fn upload(request: Request<Incoming>) -> Response<Body> {
    let mut body = request.into_body();
    let mut bytes = 0_u64;
    let mut hash = Sha256::new();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return reply::text(StatusCode::BAD_REQUEST, error.to_string()),
        };
        if let Ok(data) = frame.into_data() {
            bytes = bytes.saturating_add(data.len() as u64);
            hash.update(&data);
        }
    }
    reply::json(StatusCode::OK, &Received { bytes, sha256: hex::encode(hash.finalize()) })
}

/// `/download?bytes=10MiB` answers with so many zeros, made as they are read.
pub(super) fn download(uri: &Uri) -> Response<Body> {
    let Some(Ok(bytes)) = query::value(uri, "bytes").map(|bytes| flags::size(&bytes)) else {
        return reply::text(StatusCode::BAD_REQUEST, "write /download?bytes=10MiB");
    };
    let chunks = stream::iter(zeros(bytes)).map(|chunk| Ok::<_, BoxError>(Frame::data(chunk)));
    let mut response = Response::new(StreamBody::new(chunks).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    response
}

/// So many zeros, a chunk at a time.
pub(crate) fn zeros(bytes: u64) -> impl Iterator<Item = Bytes> + Send + 'static {
    let mut left = bytes;
    std::iter::from_fn(move || {
        let size = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        left = left.saturating_sub(size as u64);
        (size > 0).then(|| Bytes::from_static(ZEROS.get(..size).unwrap_or(&ZEROS)))
    })
}

/// Three chunks and a trailer. HTTP/1.1 clients see the trailer if they sent `te: trailers`.
pub(super) fn trailers() -> Response<Body> {
    let mut fields = HeaderMap::new();
    fields.insert("x-chunks", HeaderValue::from_static("3"));
    let data =
        ["one\n", "two\n", "three\n"].map(|text| Frame::data(Bytes::from_static(text.as_bytes())));
    let frames = data.into_iter().chain([Frame::trailers(fields)]).map(Ok::<_, BoxError>);
    let mut response = Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync());
    response.headers_mut().insert(header::TRAILER, HeaderValue::from_static("x-chunks"));
    response
}
