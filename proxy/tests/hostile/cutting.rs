//! Connections of HTTP/1 that end at every byte there is: with an orderly close, and with a reset.
//! What is cut never looks whole, from either side.

use std::{net::SocketAddr, time::Duration};

use futures::{StreamExt as _, stream};
use lab::{Pair, strict::Ended};
use socket2::SockRef;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    client::{Heard, say},
    judge::{Stream, judge},
    recorder::{Answer, Recorder, Then},
    stage::{Bystander, all_places_are_free, both_come_to_rest, comes_to_rest, plain},
};

const REQUESTS: [&str; 2] = [
    "POST /cut HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello world",
    "POST /cut HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n\
     5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nx: y\r\n\r\n",
];

#[tokio::test]
async fn a_request_that_is_cut_at_any_byte_never_arrives_whole() {
    let recorder = Recorder::start().await;
    let proxy = plain(recorder.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    let count = cut_requests(proxy.outbound()).await;
    bystander.is_served().await;
    drop(bystander);
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
    drop(proxy);
    none_is_whole(&recorder).await;
    println!("{count} cuts");
}

#[tokio::test]
async fn a_request_that_is_cut_at_any_byte_never_arrives_whole_through_two_proxies() {
    let recorder = Recorder::start().await;
    let pair = Pair::start(recorder.address);
    let mut bystander = Bystander::at(pair.client.outbound()).await;
    let count = cut_requests(pair.client.outbound()).await;
    bystander.is_served().await;
    drop(bystander);
    both_come_to_rest(&pair).await;
    drop(pair);
    none_is_whole(&recorder).await;
    println!("{count} cuts");
}

/// Cuts each request at each byte, in both ways; says how often.
async fn cut_requests(outbound: SocketAddr) -> usize {
    let mut cuts = Vec::new();
    for request in REQUESTS {
        for at in 0..request.len() {
            cuts.extend([(&request.as_bytes()[..at], true), (&request.as_bytes()[..at], false)]);
        }
    }
    let count = cuts.len();
    let cut = |(bytes, reset)| async move {
        let mut client = TcpStream::connect(outbound).await.unwrap();
        client.write_all(bytes).await.unwrap();
        if reset {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
    };
    stream::iter(cuts).map(cut).buffer_unordered(16).collect::<Vec<_>>().await;
    count
}

async fn none_is_whole(recorder: &Recorder) {
    recorder.all_ended().await;
    let kept = recorder.kept();
    assert!(kept.requests.iter().all(|request| request == "GET /bystander"), "{:?}", kept.requests);
    // A line that was cut is nobody's request, and is passed on as it came.
    let lines = kept.streams.into_iter().filter(|stream| stream.contains(&b'\n'));
    let streams: Vec<_> = lines.map(Stream::Requests).collect();
    for judged in judge(&streams) {
        let reading = judged.unwrap();
        assert!(matches!(reading.ended, Ended::Whole | Ended::Partial), "{reading}");
    }
}

const RESPONSES: [&str; 4] = [
    "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n\
     5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nx: y\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    // Ends with its connection: an orderly close is its end, and a reset is not.
    "HTTP/1.1 200 OK\r\n\r\nhello world",
];

/// A response of a server, cut.
struct Cut {
    path: String,
    answer: Answer,
}

fn cut_responses() -> Vec<Cut> {
    let mut cuts = Vec::new();
    for (number, response) in RESPONSES.iter().enumerate() {
        let ends_itself = number != 3;
        let head = response.find("\r\n\r\n").unwrap() + 4;
        for at in 0..response.len() {
            for then in [Then::Close, Then::Reset] {
                if then == Then::Close && !ends_itself && at >= head {
                    continue;
                }
                let bytes = response.as_bytes()[..at].to_vec();
                let path = format!("/cut/{number}/{at}/{then:?}");
                cuts.push(Cut { path, answer: Answer { bytes, then } });
            }
        }
    }
    cuts
}

#[tokio::test]
async fn a_response_that_is_cut_at_any_byte_is_never_taken_for_whole() {
    let cuts = cut_responses();
    let recorder = Recorder::answering(answers(&cuts)).await;
    let proxy = plain(recorder.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    none_is_taken_for_whole(proxy.outbound(), &cuts).await;
    bystander.is_served().await;
    drop(bystander);
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

#[tokio::test]
async fn a_response_that_is_cut_at_any_byte_is_never_taken_for_whole_behind_two_proxies() {
    let cuts = cut_responses();
    let recorder = Recorder::answering(answers(&cuts)).await;
    let pair = Pair::start(recorder.address);
    let mut bystander = Bystander::at(pair.client.outbound()).await;
    none_is_taken_for_whole(pair.client.outbound(), &cuts).await;
    bystander.is_served().await;
    drop(bystander);
    both_come_to_rest(&pair).await;
}

fn answers(cuts: &[Cut]) -> std::collections::BTreeMap<String, Answer> {
    cuts.iter().map(|cut| (cut.path.clone(), cut.answer.clone())).collect()
}

async fn none_is_taken_for_whole(outbound: SocketAddr, cuts: &[Cut]) {
    let ask = |cut: &Cut| {
        let asks = format!("GET {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", cut.path);
        async move { say(outbound, asks.as_bytes(), |_| false).await }
    };
    let heard: Vec<Heard> = stream::iter(cuts).map(ask).buffered(16).collect().await;
    let streams: Vec<_> =
        heard.iter().map(|heard| Stream::Responses(heard.bytes.clone(), vec!["GET"])).collect();
    for ((cut, heard), judged) in cuts.iter().zip(&heard).zip(judge(&streams)) {
        let reading = judged.unwrap_or_else(|fault| panic!("{}: {fault}", cut.path));
        assert!(heard.closed, "{}: left open after {reading}", cut.path);
        for message in reading.messages {
            let refused = message.start.starts_with('5') && message.body.starts_with(b"serin: ");
            assert!(refused, "{}: a whole {} of {:?}", cut.path, message.start, message.body);
        }
    }
    println!("{} cuts", cuts.len());
}
