//! Pours bytes into a connection, as fast as they are taken.

use std::{net::SocketAddr, rc::Rc};

use anyhow::Result;
use tokio::io::AsyncWriteExt as _;

use super::Counts;
use crate::socket;

/// Pours for as long as it is polled.
pub(super) async fn pour(target: SocketAddr, counts: Rc<Counts>) -> Result<()> {
    let mut stream = socket::connect(target).await?;
    let bytes = vec![b'x'; 128 * 1024];
    loop {
        counts.add(stream.write(&bytes).await?);
    }
}
