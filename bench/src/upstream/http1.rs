//! The upstream's HTTP/1.1.

use anyhow::{Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{LARGE, SMALL};

/// Serves requests without bodies, `read` bytes of which are in `buffer` already.
pub(super) async fn serve(mut stream: TcpStream, mut buffer: Vec<u8>, read: usize) -> Result<()> {
    let (small, large) = (answer(SMALL), answer(LARGE));
    let mut filled = read;
    loop {
        match head(buffer.get(..filled).unwrap_or_default())? {
            Some((length, is_large)) => {
                stream.write_all(if is_large { &large } else { &small }).await?;
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

fn answer(length: usize) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n")
            .into_bytes();
    answer.resize(answer.len() + length, b'x');
    answer
}

/// How long a head is, and whether it asks for a large answer.
fn head(bytes: &[u8]) -> Result<Option<(usize, bool)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            Ok(Some((length, request.path == Some("/large"))))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => bail!("a proxy sent a broken request: {error}"),
    }
}
