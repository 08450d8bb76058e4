//! The access log of a running proxy: requests and byte streams alike.

use std::sync::mpsc::{Receiver, channel};

use http::Request;
use http_body_util::BodyExt as _;
use lab::{Proxy, Setup, mesh, service};
use model::{
    endpoint::Endpoint,
    key::Key,
    mesh::{AccessLog, Encoding, Mesh, OutboundPolicy},
    resource::Resource,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::talk::{Application, empty, http1};

/// A proxy before `application`, in a mesh that logs like this.
fn logging(application: &Application, how: AccessLog) -> (Proxy, Receiver<Vec<u8>>) {
    let (lines, written) = channel();
    let Resource::Mesh(plain) = mesh(OutboundPolicy::AllowAny) else { panic!("it is the mesh") };
    let logged = Mesh { access_log: Some(how), ..Mesh::clone(&plain) };
    let setup = Setup::new("frontend").with(service(vec![Endpoint::plain(application.address)]));
    let setup = setup.with([(Key::Mesh, Resource::Mesh(logged.into()))]).logging_to(lines);
    (Proxy::start(setup), written)
}

/// Waits for a line.
async fn next(written: Receiver<Vec<u8>>) -> (String, Receiver<Vec<u8>>) {
    let waiting = tokio::task::spawn_blocking(move || (written.recv().unwrap(), written));
    let (line, written) = waiting.await.unwrap();
    (String::from_utf8(line).unwrap(), written)
}

#[tokio::test]
async fn a_request_is_logged_with_the_number_that_it_was_given() {
    let application = Application::mirror().await;
    let text = AccessLog { encoding: Encoding::Text, ..AccessLog::default() };
    let (proxy, written) = logging(&application, text);
    let request = Request::get("/items?a=b").header("host", "catalogue");
    let mut client = http1(proxy.outbound()).await;
    let response = client.send_request(request.body(empty()).unwrap()).await.unwrap();
    let told = response.into_body().collect().await.unwrap().to_bytes();
    let told = String::from_utf8(told.to_vec()).unwrap();
    let number = told.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    let (line, _) = next(written).await;
    assert!(line.contains("\"GET /items?a=b HTTP/1.1\" 200 - via_upstream"), "{line}");
    assert!(line.contains(&format!("\"{number}\" \"catalogue\"")), "{line}");
    assert!(line.contains(&format!("\"{}\" catalogue.shop", application.address)), "{line}");
}

#[tokio::test]
async fn a_byte_stream_is_logged_when_it_is_over() {
    let application = Application::tcp(|mut stream| async move {
        let mut question = Vec::new();
        stream.read_to_end(&mut question).await.unwrap();
        stream.write_all(b"four").await.unwrap();
    });
    let application = application.await;
    let (proxy, written) = logging(&application, AccessLog::default());
    let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
    client.write_all(&[0, 1, 2]).await.unwrap();
    client.shutdown().await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    let (line, _) = next(written).await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["method"], &line["response_code"]), (&serde_json::Value::Null, &0.into()));
    assert_eq!((&line["bytes_received"], &line["bytes_sent"]), (&3.into(), &4.into()));
    assert_eq!(line["upstream_host"], application.address.to_string());
    assert_eq!(line["downstream_remote_address"], client.local_addr().unwrap().to_string());
    assert_eq!(line["response_flags"], "-");
}

#[tokio::test]
async fn a_byte_stream_that_finds_nobody_is_logged_as_a_failure() {
    let application = Application::mirror().await;
    let errors = AccessLog { only_errors: true, ..AccessLog::default() };
    let gone = Application::mirror().await.address;
    let (mut proxy, written) = logging(&application, errors);
    // What goes well comes first, and is left out.
    let mut client = http1(proxy.outbound()).await;
    let request = Request::get("/").header("host", "catalogue").body(empty()).unwrap();
    client.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    let feed = proxy.take_feed();
    for (key, resource) in service(vec![Endpoint::plain(gone)]) {
        feed.push(key, resource);
    }
    let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
    client.write_all(&[0, 1, 2]).await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap_err();
    let (line, _) = next(written).await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["response_flags"], "UF");
}
