//! What a connection of HTTP/1 is good for: how long it is kept, what is asked on it at the same
//! time, what is refused, and what it may become.

use lab::{Pair, Proxy, Setup, service};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    http1_messages::before,
    raw::{DEADLINE, HEAD, answering, ask, has, read_until},
    talk::Application,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What `stream` says next, `length` bytes of it.
async fn read(stream: &mut TcpStream, length: usize) -> String {
    let mut said = vec![0; length];
    timeout(DEADLINE, stream.read_exact(&mut said)).await.expect("something is said").unwrap();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn a_body_that_waits_for_leave_is_asked_for_once_somebody_takes_it() {
    let (application, mut told) = answering("a=1", OK).await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let mut client = TcpStream::connect(to).await.unwrap();
        let head =
            "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        let leave = read_until(&mut client, HEAD).await.unwrap();
        assert_eq!(leave, "HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"a=1").await.unwrap();
        let answer = read_until(&mut client, "ok").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(told.recv().await.unwrap().ends_with("\r\n\r\na=1"));
    }
}

#[tokio::test]
async fn a_body_that_nobody_takes_is_not_asked_for() {
    let proxy = Proxy::start(Setup::new("frontend").with(service(Vec::new())));
    let request = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\
                   connection: close\r\n\r\n";
    let answer = ask(proxy.outbound(), request).await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_of_http_1_0_is_answered_on_a_connection_that_ends_unless_it_says_otherwise() {
    let (application, mut told) = answering(HEAD, OK).await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let answer = ask(to, "GET / HTTP/1.0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("ok"), "{answer}");
        assert!(told.recv().await.unwrap().starts_with("GET / HTTP/1.0\r\n"));
        let mut client = TcpStream::connect(to).await.unwrap();
        for _ in 0..2 {
            client.write_all(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await.unwrap();
            let answer = read_until(&mut client, "ok").await.unwrap();
            assert!(has(&answer, "connection: keep-alive"), "{answer}");
            told.recv().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let (application, _told) = answering(HEAD, answer).await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let answer = ask(to, "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
        assert!(answer.ends_with("\r\n\r\nok") && !answer.contains("chunked"), "{answer}");
    }
}

#[tokio::test]
async fn requests_that_do_not_wait_for_each_other_are_answered_in_order() {
    let application = Application::mirror().await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let asked = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\n\
                     content-length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\nhost: a\r\n\
                     connection: close\r\n\r\n";
        let answer = ask(to, asked).await;
        let place = |what: &str| answer.find(what).unwrap_or_else(|| panic!("{answer}"));
        assert!(place("GET /1") < place("POST /2") && place("POST /2") < place("GET /3"));
    }
}

#[tokio::test]
async fn a_kept_connection_that_closes_fails_no_request_that_may_be_sent_twice() {
    let application = Application::tcp(|mut stream| async move {
        if read_until(&mut stream, HEAD).await.is_some() {
            stream.write_all(OK.as_bytes()).await.unwrap();
            // Whether it has worked on the next one before it closes, nobody can say.
            drop(read_until(&mut stream, HEAD).await);
        }
    });
    let application = application.await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        for (method, status) in [("GET", 200), ("GET", 200), ("POST", 503)] {
            let asks = format!(
                "{method} / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let answer = ask(to, &asks).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method}: {answer}");
        }
    }
}

/// Answers once it has a request's head, and then does what the name says with the body.
async fn early(reads_on: bool) -> Application {
    Application::tcp(move |mut stream| async move {
        while read_until(&mut stream, HEAD).await.is_some() {
            let answer = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";
            stream.write_all(answer.as_bytes()).await.unwrap();
            if !reads_on {
                return;
            }
            let mut body = vec![0; LONG];
            if stream.read_exact(&mut body).await.is_err() {
                return;
            }
        }
    })
    .await
}

const LONG: usize = 4 << 20;

#[tokio::test]
async fn an_answer_that_comes_before_the_body_is_passed_on_at_once() {
    for reads_on in [true, false] {
        let application = early(reads_on).await;
        let (proxy, pair) = (before(&application), Pair::start(application.address));
        for to in [proxy.outbound(), pair.client.outbound()] {
            let mut client = TcpStream::connect(to).await.unwrap();
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {LONG}\r\n\r\nmine");
            client.write_all(head.as_bytes()).await.unwrap();
            let answer = read_until(&mut client, "big").await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        }
    }
}

#[tokio::test]
async fn an_early_answer_does_not_cut_the_body_off_from_a_server_that_reads_it() {
    let application = early(true).await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let mut client = TcpStream::connect(to).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {LONG}\r\n\r\n");
        for _ in 0..2 {
            client.write_all(head.as_bytes()).await.unwrap();
            read_until(&mut client, "big").await.unwrap();
            client.write_all(&vec![1; LONG / 2]).await.unwrap();
            // What is sent now is no head, and may take longer than one.
            assert!(timeout(2 * lab::HEAD_LIMIT, client.read_u8()).await.is_err());
            client.write_all(&vec![1; LONG / 2]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_head_with_too_many_or_too_large_fields_is_refused() {
    let (application, mut told) = answering(HEAD, OK).await;
    let proxy = before(&application);
    let many = "x: 1\r\n".repeat(101);
    let large = format!("x: {}\r\n", "1".repeat(65 * 1024));
    for fields in [many, large] {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n");
        let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, HEAD).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
    }
    assert!(told.try_recv().is_err(), "nobody was asked");
}

#[tokio::test]
async fn an_answer_with_too_many_fields_is_not_passed_on() {
    let answer = Box::leak(
        format!("HTTP/1.1 200 OK\r\n{}content-length: 2\r\n\r\nok", "x: 1\r\n".repeat(101))
            .into_boxed_str(),
    );
    let (application, _told) = answering(HEAD, answer).await;
    let proxy = before(&application);
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = ask(proxy.outbound(), request).await;
    assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
}

#[tokio::test]
async fn a_tunnel_that_the_server_opens_carries_bytes_both_ways() {
    let application = Application::tcp(|mut stream| async move {
        let head = read_until(&mut stream, HEAD).await.unwrap();
        assert!(head.starts_with("CONNECT b:443 HTTP/1.1\r\n"), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nwho?").await.unwrap();
        assert_eq!(read(&mut stream, 2).await, "me");
        stream.write_all(b"hello").await.unwrap();
    });
    let application = application.await;
    let (proxy, pair) = (before(&application), Pair::start(application.address));
    for to in [proxy.outbound(), pair.client.outbound()] {
        let mut client = TcpStream::connect(to).await.unwrap();
        client.write_all(b"CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n").await.unwrap();
        let answer = read_until(&mut client, HEAD).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(read(&mut client, 4).await, "who?");
        client.write_all(b"me").await.unwrap();
        assert_eq!(read(&mut client, 5).await, "hello");
        assert!(client.read_u8().await.is_err(), "it ends where the server does");
    }
}
