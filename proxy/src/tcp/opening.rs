//! Listens to how a connection begins, without keeping anything of it: what was read is read again.

use std::{io, time::Duration};

use tokio::time::timeout;

use super::stream::Prefixed;
use crate::detect::{self, Spoken};

/// How a connection began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Heard {
    /// The client said enough to tell what it speaks.
    Spoken(Spoken),
    /// Nothing was said for as long as was waited: perhaps it is for the server to speak first.
    Silence,
    /// The client closed without a word.
    Closed,
}

/// Listens until it is clear what the client speaks. A client that says nothing for `patience` is
/// silent; one that began and does not go on is taken to speak nothing we know. Dropping the future
/// loses nothing.
///
/// # Errors
/// What reading fails with.
pub async fn listen(stream: &mut Prefixed, patience: Duration) -> io::Result<Heard> {
    if stream.ahead().is_empty() {
        match timeout(patience, stream.read_ahead()).await {
            Err(_elapsed) => return Ok(Heard::Silence),
            Ok(Ok(0)) => return Ok(Heard::Closed),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) => {}
        }
    }
    let spoken = timeout(ENOUGH, listen_on(stream)).await;
    spoken.unwrap_or(Ok(Spoken::Opaque)).map(Heard::Spoken)
}

async fn listen_on(stream: &mut Prefixed) -> io::Result<Spoken> {
    loop {
        if let Some(spoken) = detect::detect(stream.ahead()) {
            return Ok(spoken);
        }
        if stream.read_ahead().await? == 0 {
            return Ok(Spoken::Opaque);
        }
    }
}

/// How long a client that may speak last is waited for before the server is asked: long enough for
/// one that speaks first to be heard in the same round trip of the pod's own loopback, short enough
/// not to be felt.
pub const FIRST_WORD: Duration = Duration::from_millis(5);

/// How long a client that must speak first is waited for.
pub const FIRST_REQUEST: Duration = Duration::from_secs(3600);

/// How long a peer of the mesh is waited for, which has opened the connection because it has
/// something to say.
pub const FIRST_HELLO: Duration = Duration::from_secs(15);

/// How long the rest of the first line may take.
const ENOUGH: Duration = Duration::from_secs(10);
