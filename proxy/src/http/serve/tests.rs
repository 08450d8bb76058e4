use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Response;
use tokio::{
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex,
    },
    sync::oneshot,
    task::LocalSet,
    time::{Instant, sleep, timeout},
};

use super::{Handler, Leaving, Reading, never, serve_http1};
use crate::http::body::ResponseBody;

const READING: Reading = Reading { limit: Duration::from_secs(15), keeps_case: false };
/// Longer than a connection is idle before it rests.
const A_REST: Duration = Duration::from_secs(5);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Serves a connection until `leaving` ends, and gives its client to `claim`.
async fn served<R: Future<Output = ()>>(leaving: Leaving, claim: impl FnOnce(DuplexStream) -> R) {
    served_with_room(leaving, |client, _| claim(client)).await;
}

/// The same, with the room that the connection's reader has.
async fn served_with_room<R: Future<Output = ()>>(
    leaving: Leaving,
    claim: impl FnOnce(DuplexStream, Arc<AtomicUsize>) -> R,
) {
    let (client, near) = duplex(1024);
    let room = Arc::new(AtomicUsize::new(0));
    let near = Roomed(near, Arc::clone(&room));
    let handler: Handler =
        Rc::new(|_, _| Box::pin(async { Ok(Response::new(ResponseBody::Empty)) }));
    let serving = async move {
        tokio::task::spawn_local(serve_http1(near, handler, READING, leaving));
        claim(client, room).await;
    };
    LocalSet::new().run_until(serving).await;
}

/// A connection that notes how much room its reader has.
struct Roomed(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Roomed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.1.store(buffer.remaining(), Ordering::Relaxed);
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Roomed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

async fn answer(client: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_rests_holds_no_buffer() {
    served_with_room(never(), |mut client, room| async move {
        client.write_all(REQUEST).await.unwrap();
        answer(&mut client).await;
        assert!(room.load(Ordering::Relaxed) > 1024, "it is served by something else");
        sleep(A_REST).await;
        assert_eq!(room.load(Ordering::Relaxed), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_rested_answers_as_before() {
    served(never(), |mut client| async move {
        for _ in 0..3 {
            client.write_all(REQUEST).await.unwrap();
            let head = answer(&mut client).await;
            assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
            assert!(!head.contains("connection: close"), "{head}");
            sleep(A_REST).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_slowly_after_a_rest_is_not_waited_for_any_longer() {
    served(never(), |mut client| async move {
        client.write_all(REQUEST).await.unwrap();
        answer(&mut client).await;
        sleep(A_REST).await;
        let begun = Instant::now();
        let ended = Cell::new(false);
        for byte in REQUEST {
            sleep(Duration::from_secs(2)).await;
            if client.write_all(&[*byte]).await.is_err() {
                ended.set(true);
                break;
            }
        }
        assert!(ended.get(), "a head was waited for as long as a byte came now and then");
        assert!(begun.elapsed() <= READING.limit + Duration::from_secs(5), "{:?}", begun.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_rests_ends_when_the_proxy_leaves() {
    let (leave, left) = oneshot::channel();
    let leaving: Leaving = Box::pin(async move {
        left.await.unwrap();
    });
    served(leaving, |mut client| async move {
        client.write_all(REQUEST).await.unwrap();
        answer(&mut client).await;
        sleep(A_REST).await;
        leave.send(()).unwrap();
        let ended = timeout(A_REST, client.read(&mut [0])).await.unwrap();
        assert_eq!(ended.unwrap(), 0);
    })
    .await;
}

#[test]
fn a_connection_that_rests_keeps_no_room_for_one_that_works() {
    let size = size(serve_http1::<crate::tcp::stream::Stream>);
    assert!(size <= 640, "{size}");
}

/// What the future of `serve` takes, whatever it waits for.
fn size<I, F: Future>(_serve: fn(I, Handler, Reading, Leaving) -> F) -> usize {
    size_of::<F>()
}
