//! What clients and servers smuggle past a proxy when it reads a message otherwise than the next
//! reader does. Whatever leaves the proxy is read alike by two strict readers, and every answer
//! reaches the one who asked.

use std::net::SocketAddr;

use futures::{StreamExt as _, stream};
use lab::{Pair, Proxy, Setup, service, strict};
use model::endpoint::Endpoint;

use crate::{
    client::{Heard, say},
    corpus::{
        Case,
        Expect::{Either, Opaque, Passes, Refused, Waits},
        requests,
    },
    judge::{Stream, judge},
    recorder::{Kept, NO_HTTP, Recorder},
};

#[tokio::test]
async fn requests_through_one_proxy_have_one_framing() {
    let recorder = Recorder::start().await;
    let endpoints = vec![Endpoint::plain(recorder.address)];
    let proxy = Proxy::start(Setup::new("frontend").with(service(endpoints)));
    check_requests(proxy.outbound(), recorder, proxy).await;
}

#[tokio::test]
async fn requests_through_two_proxies_have_one_framing() {
    let recorder = Recorder::start().await;
    let pair = Pair::start(recorder.address);
    check_requests(pair.client.outbound(), recorder, pair).await;
}

#[tokio::test]
async fn requests_through_two_proxies_that_speak_http1_to_each_other_have_one_framing() {
    let recorder = Recorder::start().await;
    let pair = Pair::keeping_case(recorder.address);
    check_requests(pair.client.outbound(), recorder, pair).await;
}

#[tokio::test]
async fn a_body_arrives_whole_whatever_the_method_and_the_length_beside_its_coding_are() {
    let recorder = Recorder::start().await;
    let endpoints = vec![Endpoint::plain(recorder.address)];
    let proxy = Proxy::start(Setup::new("frontend").with(service(endpoints)));
    let pair = Pair::start(recorder.address);
    let mut asked = 0;
    for to in [proxy.outbound(), pair.client.outbound()] {
        for method in ["GET", "HEAD", "DELETE", "OPTIONS", "POST"] {
            for body in [
                "content-length: 5\r\n\r\nhello",
                "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                "content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                "transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                "content-length: 9\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ] {
                let asks = format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{body}");
                say(to, asks.as_bytes(), |_| false).await;
                let streams = recorder.kept().streams;
                let all: Vec<_> =
                    streams.iter().flat_map(|bytes| strict::requests(bytes).messages).collect();
                asked += 1;
                assert_eq!(all.len(), asked, "{method} {body}");
                assert!(all.iter().all(|message| message.body == b"hello"), "{method} {body}");
            }
        }
    }
}

/// A case as it went.
struct Went {
    case: Case,
    path: String,
    bytes: Vec<u8>,
    heard: Heard,
}

async fn check_requests(outbound: SocketAddr, recorder: Recorder, proxies: impl Sized) {
    let cases = requests::all().into_iter().enumerate();
    let went: Vec<Went> = stream::iter(cases)
        .map(|(number, case)| play(outbound, number, case))
        .buffered(24)
        .collect()
        .await;
    drop(proxies);
    recorder.all_ended().await;
    let kept = recorder.kept();
    let mut faults = judge_upstream(&kept, &went);
    faults.extend(judge_client(&kept, &went));
    println!("{} cases, {} connections upstream", went.len(), kept.streams.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n\n"));
}

async fn play(outbound: SocketAddr, number: usize, case: Case) -> Went {
    let path = format!("/q{number}-");
    let bytes = case.with_path(&path);
    let enough = |heard: &[u8]| {
        let Passes(count) = case.expect else { return false };
        let messages = strict::responses(heard, &methods(&bytes)).messages;
        messages.iter().filter(|message| message.start == "200").count() >= count
    };
    let heard = say(outbound, &bytes, enough).await;
    Went { path, bytes, heard, case }
}

/// The method of the first request is the only one that matters: what follows is no HEAD.
fn methods(bytes: &[u8]) -> Vec<&'static str> {
    if bytes.starts_with(b"HEAD ") { vec!["HEAD"] } else { vec!["GET"] }
}

/// What reached the server has one framing and nothing that was for one hop, unless it is no HTTP
/// at all and passed as it was.
fn judge_upstream(kept: &Kept, went: &[Went]) -> Vec<String> {
    let passed = |stream: &Vec<u8>| {
        went.iter().any(|went| is_opaque(went) && went.bytes.starts_with(stream))
    };
    let streams: Vec<_> = kept.streams.iter().filter(|stream| !passed(stream)).collect();
    let judged =
        judge(&streams.iter().map(|bytes| Stream::Requests((*bytes).clone())).collect::<Vec<_>>());
    let misread = judged.into_iter().filter_map(Result::err);
    // What the corpus names in `Connection`.
    let texts = streams.iter().map(|bytes| String::from_utf8_lossy(bytes).to_lowercase());
    let leaked = texts.filter_map(|text| {
        let (before, _) = text.split_once("x-hop")?;
        let since = before.rsplit_once("/q").map_or(before, |(_, since)| since);
        Some(format!("what Connection named was passed on: /q{since}"))
    });
    misread.chain(leaked).map(|fault| format!("upstream: {fault}")).collect()
}

fn is_opaque(went: &Went) -> bool {
    went.heard.bytes == NO_HTTP
}

fn judge_client(kept: &Kept, went: &[Went]) -> Vec<String> {
    let asked: Vec<_> = went.iter().filter(|went| !is_opaque(went)).collect();
    let streams: Vec<_> = asked
        .iter()
        .map(|went| Stream::Responses(went.heard.bytes.clone(), methods(&went.bytes)))
        .collect();
    let mut faults = Vec::new();
    for (went, judged) in asked.iter().zip(judge(&streams)) {
        let of_case = |fault: String| format!("{} ({}): {fault}", went.case.name, went.path);
        // CONNECT is answered without an echo.
        let is_own =
            |request: &&String| request.contains(&went.path) && !request.starts_with("CONNECT ");
        let own: Vec<&str> = kept.requests.iter().filter(is_own).map(String::as_str).collect();
        match judged {
            Err(fault) => faults.push(of_case(fault)),
            Ok(reading) => faults.extend(compare(went, &own, &reading).map(of_case)),
        }
    }
    for went in
        went.iter().filter(|went| is_opaque(went) && !matches!(went.case.expect, Opaque | Either))
    {
        faults.push(format!("{}: passed as it was", went.case.name));
    }
    faults
}

/// Compares what arrived at the server with what its client was answered.
fn compare(went: &Went, arrived: &[&str], reading: &strict::Reading) -> Option<String> {
    let answers: Vec<_> =
        reading.messages.iter().filter(|message| message.start == "200").collect();
    let mut echoes: Vec<String> =
        answers.iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect();
    let is_answer = |(echo, request): (&String, &&str)| echo.is_empty() || echo == *request;
    // A target that cannot hold the case's own path is not looked for.
    echoes.retain(|echo| echo.is_empty() || echo.contains(&went.path));
    if !echoes.iter().zip(arrived).all(is_answer) || echoes.len() > arrived.len() {
        return Some(format!("answers {echoes:?} to {arrived:?}"));
    }
    let count = match went.case.expect {
        Passes(count) => count,
        Refused | Waits => 0,
        Either => return None,
        Opaque => return Some(format!("arrived as {arrived:?}, answered as {reading}")),
    };
    let refused_well = went.case.expect != Refused || went.heard.closed;
    (arrived.len() != count || answers.len() != count || !refused_well).then(|| {
        let heard = String::from_utf8_lossy(&went.heard.bytes);
        format!(
            "{count} expected, arrived {arrived:?}, heard {heard:?}, closed {}",
            went.heard.closed
        )
    })
}
