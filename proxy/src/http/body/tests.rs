use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

/// Whether a body of which one attempt has read can be sent by another.
async fn can_be_sent_again(is_kept: bool) -> bool {
    let (mut client, server) = duplex(4096);
    let answer = service_fn(|request: Request<Incoming>| async move {
        let source = Source::new(request.into_body(), Version::HTTP_11, &mut None).unwrap();
        if !is_kept {
            source.keep_nothing();
        }
        let mut first = source.begin().unwrap();
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
        let again = source.begin().is_some();
        Ok::<_, Infallible>(Response::new(again.to_string()))
    });
    let serve = http1::Builder::new().serve_connection(TokioIo::new(server), answer);
    let talk = async {
        let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\n";
        client.write_all(format!("{head}hello").as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer.ends_with("\r\n\r\ntrue")
    };
    tokio::join!(serve, talk).1
}

#[tokio::test]
async fn a_body_is_kept_until_somebody_answers_unless_nothing_may_be() {
    assert!(can_be_sent_again(true).await);
    assert!(!can_be_sent_again(false).await);
}
