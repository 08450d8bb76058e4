//! What servers smuggle past a proxy: a response that its client reads otherwise than the proxy
//! did, or that answers somebody else.

use std::net::SocketAddr;

use futures::{StreamExt as _, stream};
use lab::{
    Pair, Proxy, Setup, service,
    strict::{self, Reading},
};
use model::endpoint::Endpoint;

use crate::{
    client::{Heard, say},
    corpus::{
        Case,
        Expect::{Either, Passes},
        responses,
    },
    judge::{Stream, judge},
    recorder::{Answer, Recorder, Then},
};

#[tokio::test]
async fn responses_through_one_proxy_have_one_framing_and_answer_their_request() {
    let (recorder, cases) = server().await;
    let endpoints = vec![Endpoint::plain(recorder.address)];
    let proxy = Proxy::start(Setup::new("frontend").with(service(endpoints)));
    check_responses(proxy.outbound(), cases).await;
}

#[tokio::test]
async fn responses_through_two_proxies_have_one_framing_and_answer_their_request() {
    let (recorder, cases) = server().await;
    let pair = Pair::start(recorder.address);
    check_responses(pair.client.outbound(), cases).await;
}

#[tokio::test]
async fn responses_through_two_proxies_that_speak_http1_to_each_other_have_one_framing() {
    let (recorder, cases) = server().await;
    let pair = Pair::keeping_case(recorder.address);
    check_responses(pair.client.outbound(), cases).await;
}

/// A server that answers each case's path with what the case says. One that can be whole without it
/// does not close, so that the proxy may ask it again.
async fn server() -> (Recorder, Vec<Case>) {
    let cases = responses::all();
    let answer = |case: &Case| {
        let leaves_open = strict::responses(&case.bytes, &[method(case)]);
        let close = !leaves_open.messages.iter().any(|message| !message.to_the_end);
        Answer { bytes: case.bytes.clone(), then: if close { Then::Close } else { Then::Stay } }
    };
    let answers = cases.iter().enumerate().map(|(number, case)| (path(number), answer(case)));
    (Recorder::answering(answers.collect()).await, cases)
}

fn path(number: usize) -> String {
    format!("/r{number}-")
}

fn method(case: &Case) -> &'static str {
    if case.name.starts_with("HEAD") { "HEAD" } else { "GET" }
}

async fn check_responses(outbound: SocketAddr, cases: Vec<Case>) {
    let numbered = cases.iter().enumerate();
    let heard: Vec<Heard> = stream::iter(numbered)
        .map(|(number, case)| play(outbound, number, case))
        .buffered(24)
        .collect()
        .await;
    let streams: Vec<_> = cases
        .iter()
        .zip(&heard)
        .map(|(case, heard)| Stream::Responses(heard.bytes.clone(), vec![method(case), "GET"]))
        .collect();
    let mut faults = Vec::new();
    for (number, judged) in judge(&streams).into_iter().enumerate() {
        let fault = match judged {
            Ok(reading) => compare(number, &cases[number], &heard[number], &reading),
            Err(fault) => Some(fault),
        };
        faults.extend(fault.map(|fault| format!("{}: {fault}", cases[number].name)));
    }
    println!("{} cases", cases.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n\n"));
}

/// Asks for the case and then, on the same connection, for something that is echoed.
async fn play(outbound: SocketAddr, number: usize, case: &Case) -> Heard {
    let (method, path) = (method(case), path(number));
    let asks = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n\
         GET {path}/next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    );
    say(outbound, asks.as_bytes(), |_| false).await
}

fn compare(number: usize, case: &Case, heard: &Heard, reading: &Reading) -> Option<String> {
    let text = || String::from_utf8_lossy(&heard.bytes[..heard.bytes.len().min(600)]).into_owned();
    let echo = format!("GET {}/next", path(number)).into_bytes();
    let (first, second) = (reading.messages.first(), reading.messages.get(1));
    if second.is_some_and(|message| message.body != echo) || reading.messages.len() > 2 {
        return Some(format!("a stranger's answer: {:?}", text()));
    }
    if !heard.closed {
        return Some(format!("left open: {:?}", text()));
    }
    // What we say ourselves begins so.
    let refused = first.is_none_or(|message| message.body.starts_with(b"serin: "));
    match case.expect {
        Either => None,
        Passes(_) if !refused => None,
        Passes(_) => Some(format!("refused: {:?}", text())),
        _ if refused => None,
        _ => Some(format!("passed: {:?}", text())),
    }
}
