//! A peer of the mesh that writes requests of HTTP/2 which would be others in HTTP/1, where its
//! server's proxy passes them on.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use lab::{Authority, Proxy, Setup, id};
use model::inbound::MtlsMode;
use proxy::{
    tcp::stream::Prefixed,
    tls::{Carries, Tls},
};
use runtime::clock::Clock;
use tokio::net::TcpStream;

use crate::{
    client::{Heard, say_on},
    corpus::{
        Expect::{self, Passes, Refused},
        http2::{self, Request},
    },
    frames::{GOAWAY, is_over, preface, read},
    judge::{Stream, judge},
    recorder::Recorder,
};

#[tokio::test]
async fn requests_of_a_hostile_peer_have_one_framing_in_http1() {
    for version in ["1.1", "1.0"] {
        let recorder = Recorder::start().await;
        let authority = Authority::fresh();
        let server = Setup::new("catalogue").identity(authority.identity("catalogue"));
        let server = Proxy::start(server.serving(recorder.address, MtlsMode::Strict));
        let tls = Arc::new(Tls::new(authority.identity("frontend"), Clock::system()));
        let cases = http2::all();
        let numbered = cases.iter().enumerate();
        let heard: Vec<Heard> = stream::iter(numbered)
            .map(|(number, case)| play(&server, &tls, number, case, version))
            .buffered(16)
            .collect()
            .await;
        drop(server);
        recorder.all_ended().await;
        let kept = recorder.kept();
        let streams: Vec<_> = kept.streams.iter().cloned().map(Stream::Requests).collect();
        let mut faults: Vec<_> = judge(&streams).into_iter().filter_map(Result::err).collect();
        for (number, case) in cases.iter().enumerate() {
            let path = path(number);
            let count = kept.requests.iter().filter(|request| request.contains(&path)).count();
            let is_so = match case.expect {
                // HTTP/1.0 has no chunks, and what has no length cannot be passed on.
                Passes(wanted) => count == wanted || version == "1.0",
                Refused => count == 0,
                Expect::Either | Expect::Waits | Expect::Opaque => count <= 1,
            };
            if !is_so {
                let frames = read(&heard[number].bytes);
                faults.push(format!("{}: {count} arrived, heard {frames:?}", case.name));
            }
        }
        println!("{} cases", cases.len());
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n\n"));
    }
}

fn path(number: usize) -> String {
    format!("/h{number}-")
}

async fn play(server: &Proxy, tls: &Tls, number: usize, case: &Request, version: &str) -> Heard {
    let stream = Prefixed::new(TcpStream::connect(server.inbound()).await.unwrap());
    let mut peer = tls.connect(stream, Carries::Http2, &id("catalogue")).await.unwrap();
    let mut bytes = preface();
    bytes.extend(case.frames(&path(number), &[("x-serin-client-version", version)]));
    let enough =
        |heard: &[u8]| is_over(heard, 1) || read(heard).iter().any(|frame| frame.kind == GOAWAY);
    say_on(&mut peer, &bytes, enough).await
}
