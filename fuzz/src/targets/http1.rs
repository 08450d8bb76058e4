//! A client's bytes through what the proxy does with HTTP/1, without sockets: hyper reads them, the
//! head is taken over, and hyper writes what the next hop gets. Whatever the bytes are, what comes
//! out on either side has one framing for a strict reader.

use std::{cell::RefCell, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, uri::Authority};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use lab::strict::{self, Ended};
use proxy::http::{
    Local,
    body::{RequestBody, ResponseBody, Source},
    framing,
    head::{Head, Hop},
    head_timer::InRequest,
    serve::{Handler, never, serve_http1},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    runtime::{Builder, Runtime},
    task::{LocalSet, spawn_local},
    time::timeout,
};

use super::{Target, committed};
use crate::engine::behaviour;

pub(crate) const TARGET: Target = Target {
    name: "http1",
    corpus: || committed("http1"),
    words: &[
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\n",
        "HTTP/1.0",
        "host: a\r\n",
        "Host: b\r\n",
        "Content-Length: 5\r\n",
        "content-length: ",
        "Transfer-Encoding: chunked\r\n",
        "\r\n\r\n",
        "transfer-encoding: ",
        "gzip, ",
        "identity",
        "chunked",
        "Connection: ",
        "close",
        "keep-alive",
        "upgrade",
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        ";a=b",
        "Trailer: ",
        "te: trailers\r\n",
        "http://b/",
        "HEAD",
        "CONNECT",
        "*",
        ":",
        ",",
        "+",
        "\0",
        "FFFFFFFF",
    ],
    run,
};

/// What each connection to the server was sent.
type Streams = Rc<RefCell<Vec<Vec<u8>>>>;

thread_local! {
    /// Its time passes at once when there is nothing else to do.
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
}

fn run(bytes: &[u8]) -> u64 {
    let (sent, heard) =
        RUNTIME.with(|runtime| runtime.block_on(LocalSet::new().run_until(pass(bytes))));
    let mut shape = Vec::new();
    for stream in &sent {
        let reading = strict::requests(stream);
        let says = || format!("{reading} in {:?}", String::from_utf8_lossy(stream));
        assert!(!matches!(reading.ended, Ended::Broken(_)), "the server was sent {}", says());
        assert!(reading.messages.len() <= 1, "one request became two: {}", says());
        let lengths: Vec<_> =
            reading.messages.iter().map(|message| message.body.len().min(9)).collect();
        shape.push((lengths, reading.ended == Ended::Whole));
    }
    // What answers a HEAD cannot be told from the bytes alone.
    let heads = bytes.windows(4).any(|word| word == b"HEAD")
        || sent.iter().any(|stream| stream.starts_with(b"CONNECT"));
    let reading = strict::responses(&heard, &[]);
    let says = || format!("{reading} in {:?}", String::from_utf8_lossy(&heard));
    assert!(heads || !matches!(reading.ended, Ended::Broken(_)), "the client was sent {}", says());
    let answers: Vec<_> =
        reading.messages.into_iter().map(|message| message.start).take(4).collect();
    behaviour((shape.into_iter().take(4).collect::<Vec<_>>(), answers))
}

/// What the server was sent, and what the client was answered.
async fn pass(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (mut client, ours) = duplex(1 << 16);
    let streams = Streams::default();
    let shared = Rc::clone(&streams);
    let handler: Handler = Rc::new(move |request, in_request| -> Local<_> {
        Box::pin(answer(Rc::clone(&shared), request, in_request))
    });
    spawn_local(async move { drop(serve_http1(ours, handler, LIMIT, never()).await) });
    let mut heard = Vec::new();
    let talk = async {
        let mut piece = vec![0; 4096];
        // Whoever closes early has not read all of it.
        drop(client.write_all(bytes).await);
        while let Ok(read @ 1..) = client.read(&mut piece).await {
            heard.extend(piece.iter().take(read));
        }
    };
    drop(timeout(2 * LIMIT, talk).await);
    let sent = streams.borrow().clone();
    (sent, heard)
}

async fn answer(
    streams: Streams,
    request: Request<Incoming>,
    in_request: Option<InRequest>,
) -> Result<Response<ResponseBody>, h2::Error> {
    let (parts, body) = request.into_parts();
    let version = parts.version;
    let mut head = Head::from_parts(parts);
    head.strip_claims();
    let source = Source::new(body, version, in_request.map(Rc::new));
    let refused = |status| {
        let mut response = Response::new(ResponseBody::Full(Some(Bytes::from_static(b"serin"))));
        *response.status_mut() = status;
        Ok(response)
    };
    if !head.is_well_formed() {
        return refused(StatusCode::BAD_REQUEST);
    }
    let body = source.as_ref().and_then(Source::begin).unwrap_or_else(RequestBody::empty);
    let mut request = head.request(Hop::Http1, &Authority::from_static("somebody"), body);
    framing::announce_body(&mut request, source.is_some());
    let response = send(streams, request).await;
    match response {
        Some(response) => refused(response.status()),
        None => refused(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// Sends a request on a connection of its own, to a server that answers what is whole.
async fn send(streams: Streams, request: Request<RequestBody>) -> Option<Response<Incoming>> {
    let (theirs, server) = duplex(1 << 16);
    let number = streams.borrow().len();
    streams.borrow_mut().push(Vec::new());
    spawn_local(serve(server, streams, number));
    let (mut sender, connection) = http1::handshake(TokioIo::new(theirs)).await.ok()?;
    spawn_local(async move { drop(connection.await) });
    sender.send_request(request).await.ok()
}

async fn serve(mut server: DuplexStream, streams: Streams, number: usize) {
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = server.read(&mut piece).await {
        let mut whole = false;
        if let Some(stream) = streams.borrow_mut().get_mut(number) {
            stream.extend(piece.iter().take(read));
            whole = strict::requests(stream).ended == Ended::Whole;
        }
        if whole {
            drop(server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await);
        }
    }
}

/// In time that does not pass.
const LIMIT: Duration = Duration::from_secs(1);
