//! HTTP/1 byte by byte, for what a library at either end would hide.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

use crate::talk::Application;

/// Longer than anything here takes on a busy machine.
pub(crate) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// An application that tells of every message whose last bytes are `end`, and answers each with
/// `answer`, whatever was asked.
pub(crate) async fn answering(
    end: &'static str,
    answer: &'static str,
) -> (Application, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel(64);
    let application = Application::tcp(move |mut stream| {
        let tell = tell.clone();
        async move {
            while let Some(message) = read_until(&mut stream, end).await {
                tell.send(message).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (application.await, told)
}

/// All that comes up to and with `end`; nothing if the other side closes before.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> Option<String> {
    let mut message = Vec::new();
    while !message.ends_with(end.as_bytes()) {
        let byte = timeout(DEADLINE, stream.read_u8()).await.expect("something is said");
        message.push(byte.ok()?);
    }
    Some(String::from_utf8(message).unwrap())
}

/// The end of a head.
pub(crate) const HEAD: &str = "\r\n\r\n";

/// What is answered to `request` until the other side closes.
pub(crate) async fn ask(to: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    read.expect("the connection ends").unwrap();
    String::from_utf8(answer).unwrap()
}

/// Whether `message` has the line `line`.
pub(crate) fn has(message: &str, line: &str) -> bool {
    message.lines().any(|one| one == line)
}
