//! The upstream's HTTP/1.1.

use anyhow::{Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{LARGE, SMALL};

/// Serves requests without bodies, `read` bytes of which are in `buffer` already.
pub(super) async fn serve(mut stream: TcpStream, mut buffer: Vec<u8>, read: usize) -> Result<()> {
    let (small, large) = (answer(SMALL, "keep-alive"), answer(LARGE, "keep-alive"));
    let mut filled = read;
    loop {
        match head(buffer.get(..filled).unwrap_or_default())? {
            Some((_, Asked::Last)) => {
                return Ok(stream.write_all(&answer(SMALL, "close")).await?);
            }
            Some((length, asked)) => {
                stream.write_all(if asked == Asked::Large { &large } else { &small }).await?;
                buffer.copy_within(length..filled, 0);
                filled -= length;
            }
            None => {
                let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
                if read == 0 {
                    return Ok(());
                }
                filled += read;
            }
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Small,
    Large,
    /// A small answer, and the end of the connection.
    Last,
}

fn answer(length: usize, connection: &str) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: {connection}\r\n\
         content-length: {length}\r\n\r\n"
    )
    .into_bytes();
    answer.resize(answer.len() + length, b'x');
    answer
}

/// How long a head is, and what it asks for.
fn head(bytes: &[u8]) -> Result<Option<(usize, Asked)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let asked = match request.path {
                Some("/large") => Asked::Large,
                Some("/last") => Asked::Last,
                Some(_) | None => Asked::Small,
            };
            Ok(Some((length, asked)))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => bail!("a proxy sent a broken request: {error}"),
    }
}
