//! A client's bytes through what the proxy does with HTTP/1, without sockets: hyper reads them, the
//! head is taken over, and hyper writes what the next hop gets. Whatever the bytes are, what comes
//! out on either side has one framing for a strict reader, all of the body or no end, and nothing
//! that was for the client's hop alone.

use std::{
    cell::RefCell,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use lab::strict::{self, Ended};
use proxy::http::{
    Local,
    body::{RequestBody, ResponseBody, Source},
    framing,
    head::{Head, Hop},
    head_timer::InRequest,
    serve::{Handler, Reading, never, serve_http1},
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
        "x-serin-elsewhere",
        "x-forwarded-client-cert",
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

/// All connections to the server.
type Streams = Rc<RefCell<Vec<Stream>>>;

/// What a connection to the server was sent.
#[derive(Clone, Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    /// How much of a body was handed over to be written.
    body: usize,
}

/// Counts a body before it is framed anew.
struct Counted {
    body: RequestBody,
    streams: Streams,
    number: usize,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = <RequestBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && let Some(stream) = self.streams.borrow_mut().get_mut(self.number)
        {
            stream.body += data.len();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

thread_local! {
    /// Its time passes at once when there is nothing else to do.
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
}

fn run(bytes: &[u8]) -> u64 {
    let (sent, heard) =
        RUNTIME.with(|runtime| runtime.block_on(LocalSet::new().run_until(pass(bytes))));
    let mut shape = Vec::new();
    for Stream { bytes, body } in &sent {
        let reading = strict::requests(bytes);
        let says = || format!("{reading} in {:?}", String::from_utf8_lossy(bytes));
        assert!(!matches!(reading.ended, Ended::Broken(_)), "the server was sent {}", says());
        assert!(reading.messages.len() <= 1, "one request became two: {}", says());
        for message in &reading.messages {
            assert_eq!(message.body.len(), *body, "of a body, the server was sent {}", says());
        }
        let lengths: Vec<_> =
            reading.messages.iter().map(|message| message.body.len().min(9)).collect();
        shape.push((lengths, reading.ended == Ended::Whole));
    }
    // What answers a HEAD cannot be told from the bytes alone.
    let heads = bytes.windows(4).any(|word| word == b"HEAD")
        || sent.iter().any(|stream| stream.bytes.starts_with(b"CONNECT"));
    let reading = strict::responses(&heard, &[]);
    let says = || format!("{reading} in {:?}", String::from_utf8_lossy(&heard));
    assert!(heads || !matches!(reading.ended, Ended::Broken(_)), "the client was sent {}", says());
    let answers: Vec<_> =
        reading.messages.into_iter().map(|message| message.start).take(4).collect();
    behaviour((shape.into_iter().take(4).collect::<Vec<_>>(), answers))
}

/// What the server was sent, and what the client was answered.
async fn pass(bytes: &[u8]) -> (Vec<Stream>, Vec<u8>) {
    let (mut client, ours) = duplex(1 << 16);
    let streams = Streams::default();
    let shared = Rc::clone(&streams);
    let handler: Handler = Rc::new(move |request, in_request| -> Local<_> {
        Box::pin(answer(Rc::clone(&shared), request, in_request))
    });
    spawn_local(async move { drop(serve_http1(ours, handler, READING, never()).await) });
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
    mut in_request: Option<InRequest>,
) -> Result<Response<ResponseBody>, h2::Error> {
    let (parts, body) = request.into_parts();
    let version = parts.version;
    let for_this_hop = named_by_connection(&parts.headers);
    let codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let codings: Vec<_> = codings.map(|coding| coding.as_bytes().to_ascii_lowercase()).collect();
    let mut head = Head::from_parts(parts);
    head.strip_claims();
    let source = Source::new(body, version, &mut in_request);
    let refused = |status| {
        let mut response = Response::new(ResponseBody::Full(Some(Bytes::from_static(b"serin"))));
        *response.status_mut() = status;
        Ok(response)
    };
    if !head.is_well_formed() {
        return refused(StatusCode::BAD_REQUEST);
    }
    assert!(
        codings.is_empty() || codings == [b"chunked"],
        "a coding that nobody takes off was accepted"
    );
    let body = source.as_ref().and_then(Source::begin).unwrap_or_else(RequestBody::empty);
    let mut request = head.request(Hop::Http1, SOMEBODY, body);
    framing::announce_body(&mut request, source.is_some());
    for name in for_this_hop {
        assert!(!request.headers().contains_key(&name), "{name} was passed on");
    }
    let response = send(streams, request).await;
    match response {
        Some(response) => refused(response.status()),
        None => refused(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// What a client wants to end here (RFC 9110, section 7.6.1), but for what the next hop has of its
/// own.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = names.map(|name| String::from_utf8_lossy(name.trim_ascii()).to_lowercase());
    names.filter(|name| !["te", "host", "transfer-encoding"].contains(&name.as_str())).collect()
}

/// Sends a request on a connection of its own, to a server that answers what is whole.
async fn send(streams: Streams, request: Request<RequestBody>) -> Option<Response<Incoming>> {
    let (theirs, server) = duplex(1 << 16);
    let number = streams.borrow().len();
    streams.borrow_mut().push(Stream::default());
    spawn_local(serve(server, Rc::clone(&streams), number));
    let request = request.map(|body| Counted { body, streams, number });
    let (mut sender, connection) = http1::handshake(TokioIo::new(theirs)).await.ok()?;
    spawn_local(async move { drop(connection.await) });
    sender.send_request(request).await.ok()
}

async fn serve(mut server: DuplexStream, streams: Streams, number: usize) {
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = server.read(&mut piece).await {
        let mut whole = false;
        if let Some(stream) = streams.borrow_mut().get_mut(number) {
            stream.bytes.extend(piece.iter().take(read));
            whole = strict::requests(&stream.bytes).ended == Ended::Whole;
        }
        if whole {
            drop(server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await);
        }
    }
}

/// In time that does not pass.
const LIMIT: Duration = Duration::from_secs(1);
const READING: Reading = Reading { limit: LIMIT, keeps_case: true };
/// Who is asked where a head names nobody.
const SOMEBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
