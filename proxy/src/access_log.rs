//! The access log: one JSON line per request, with the fields that Istio's has by default. Off by
//! default.
//!
//! Workers never wait for it: lines go through a bounded queue to a thread of its own, and what
//! does not fit is dropped and counted.

use std::{
    io::Write,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use jiff::Timestamp;
use runtime::clock::Clock;
use serde_json::{Value, json};

use crate::http::{head::Head, recorder::End};

/// Where lines are written; shared by all workers.
#[derive(Clone, Debug)]
pub struct AccessLog {
    inner: Arc<Inner>,
}

/// Whether requests are logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Switch {
    /// All are.
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

/// What is known of a request when it begins, and what is added on its way.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it asks for.
    pub head: LoggedHead,
    /// Who sent it.
    pub client: Option<SocketAddr>,
    /// Where it was going.
    pub original: Option<SocketAddr>,
    /// Who answered.
    pub upstream: Option<SocketAddr>,
    /// How long that took, to the response's head.
    pub upstream_time: Option<Duration>,
    /// The route it took.
    pub route: Option<Arc<str>>,
    /// The service it went to.
    pub service: Option<String>,
}

/// What is logged of a request's head.
#[derive(Clone, Debug)]
pub struct LoggedHead {
    method: String,
    path: String,
    protocol: &'static str,
    authority: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    forwarded_for: Option<String>,
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

    /// Whether requests are logged, where the mesh says `mesh`.
    #[must_use]
    pub fn is_on(&self, mesh: impl FnOnce() -> bool) -> bool {
        match self.inner.switch {
            Switch::On => true,
            Switch::Off => false,
            Switch::AsTheMeshSays => mesh(),
        }
    }

    /// Writes the line of a request that has ended; says whether there was room. `bytes` are the
    /// request's and the response's.
    #[must_use]
    pub fn write(
        &self,
        entry: &Entry,
        end: &End,
        inbound: bool,
        took: Duration,
        bytes: [u64; 2],
    ) -> bool {
        let line = entry.line(&self.inner.clock, end, inbound, took, bytes).to_string();
        self.inner.lines.try_send(line).is_ok()
    }
}

impl Entry {
    /// What `head` says.
    #[must_use]
    pub fn new(head: &Head) -> Self {
        let header = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let head = LoggedHead {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            protocol: protocol(head.version),
            authority: head.authority().map(|authority| authority.to_string()),
            user_agent: header("user-agent"),
            request_id: header("x-request-id"),
            forwarded_for: header("x-forwarded-for"),
        };
        let (client, original, upstream, upstream_time) = (None, None, None, None);
        Self { head, client, original, upstream, upstream_time, route: None, service: None }
    }

    fn line(
        &self,
        clock: &Clock,
        end: &End,
        inbound: bool,
        took: Duration,
        bytes: [u64; 2],
    ) -> Value {
        let Self { head, client, original, upstream, upstream_time, route, service } = self;
        let started = clock.now().checked_sub(took).and_then(|at| Timestamp::try_from(at).ok());
        let [received, sent] = bytes;
        json!({
            "start_time": started.map(|at| format!("{at:.3}")),
            "direction": if inbound { "inbound" } else { "outbound" },
            "method": head.method,
            "path": head.path,
            "protocol": head.protocol,
            "response_code": end.code,
            "grpc_status": end.grpc_status,
            "response_flags": end.flags.label(),
            "bytes_received": received,
            "bytes_sent": sent,
            "duration": millis(took),
            "upstream_service_time": upstream_time.map(millis),
            "x_forwarded_for": head.forwarded_for,
            "user_agent": head.user_agent,
            "request_id": head.request_id,
            "authority": head.authority,
            "upstream_host": upstream.map(|address| address.to_string()),
            "upstream_cluster": service,
            "downstream_local_address": original.map(|address| address.to_string()),
            "downstream_remote_address": client.map(|address| address.to_string()),
            "route_name": route.as_deref(),
        })
    }
}

fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
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
