//! The access log: one line for each request, and for each byte stream, as JSON or as text. Off by
//! default.
//!
//! Workers never wait for it: lines go through a bounded queue to a thread of its own, and what
//! does not fit is dropped and counted.

mod entry;
mod line;

use std::{
    io::Write,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use model::mesh::{AccessLog as How, Encoding};
use runtime::clock::Clock;

pub use self::entry::{Entry, LoggedHead, Outcome};

/// Where lines are written; shared by all workers.
#[derive(Clone, Debug)]
pub struct AccessLog {
    inner: Arc<Inner>,
}

/// Whether requests are logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Switch {
    /// They are, as the mesh's defaults say, or all of them if those say that none is.
    On,
    /// None is.
    Off,
    /// As the mesh's defaults say.
    AsTheMeshSays,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    lines: SyncSender<String>,
    switch: Switch,
}

/// The log for one request or byte stream that may be logged.
#[derive(Clone, Debug)]
pub struct Logbook {
    log: AccessLog,
    how: How,
}

impl AccessLog {
    /// A log that `out` is written to, on a thread of its own.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn new(
        clock: Clock,
        out: impl Write + Send + 'static,
        switch: Switch,
    ) -> std::io::Result<Self> {
        let (lines, written) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&written, out))?;
        Ok(Self { inner: Arc::new(Inner { clock, lines, switch }) })
    }

    /// How requests are logged where the mesh says `mesh`; nothing if they are not.
    #[must_use]
    pub fn how(&self, mesh: Option<How>) -> Option<How> {
        match self.inner.switch {
            Switch::On => Some(mesh.unwrap_or_default()),
            Switch::Off => None,
            Switch::AsTheMeshSays => mesh,
        }
    }

    /// What a request or a byte stream is logged in.
    #[must_use]
    pub fn book(&self, how: How) -> Logbook {
        Logbook { log: self.clone(), how }
    }
}

impl Logbook {
    /// Writes the line of what has ended, if such are written; says whether there was room.
    #[must_use]
    pub fn write(&self, entry: &Entry, outcome: &Outcome) -> bool {
        if self.how.only_errors && !outcome.is_error() {
            return true;
        }
        let now = self.log.inner.clock.now();
        let line = match self.how.encoding {
            Encoding::Json => line::json(entry, outcome, now),
            Encoding::Text => line::text(entry, outcome, now),
        };
        self.log.inner.lines.try_send(line).is_ok()
    }
}

/// Writes what is there, then flushes before waiting for more. Ends when the last log is dropped,
/// or when there is nowhere left to write to.
fn write_all(lines: &Receiver<String>, out: impl Write) {
    let mut out = std::io::BufWriter::new(out);
    while let Ok(line) = lines.recv() {
        let more = lines.try_iter().take(QUEUE);
        let written =
            std::iter::once(line).chain(more).try_for_each(|line| writeln!(out, "{line}"));
        if written.and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// Lines that may wait to be written.
const QUEUE: usize = 4096;

#[cfg(test)]
mod tests;
