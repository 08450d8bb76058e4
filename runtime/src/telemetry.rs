//! Logs as JSON lines on standard output, at a level that can be changed while the process runs,
//! and one registry of metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::{encoding::text::encode, registry::Registry};
use tracing_subscriber::{
    EnvFilter, Registry as Subscribers, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

use crate::process::Process;

/// The process' metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

/// Changes what is logged.
#[derive(Clone, Debug)]
pub struct LogLevel(reload::Handle<EnvFilter, Subscribers>);

/// Why logging could not be set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no filter.
    #[error("{filter:?} is no log filter such as info or serin_proxy=debug,info")]
    Filter {
        /// The text.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process logs already.
    #[error("logging is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
    /// The process is about to end.
    #[error("logging is gone")]
    Gone(#[source] reload::Error),
}

/// Sets up logging for the process.
///
/// # Errors
/// If `filter` is no filter, or logging is set up already.
pub fn init(filter: &str) -> Result<LogLevel, Error> {
    let (layer, handle) = reload::Layer::new(parse(filter)?);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(true);
    tracing_subscriber::registry().with(layer).with(lines).try_init().map_err(Error::Twice)?;
    Ok(LogLevel(handle))
}

impl LogLevel {
    /// Logs by `filter` from now on.
    ///
    /// # Errors
    /// If `filter` is no filter.
    pub fn set(&self, filter: &str) -> Result<(), Error> {
        self.0.reload(parse(filter)?).map_err(Error::Gone)
    }
}

impl Metrics {
    /// No metrics yet but those of the process itself.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self::default();
        metrics.registry().register_collector(Box::new(Process));
        metrics
    }

    /// The registry, to register metrics with. Do not hold it across an await.
    pub fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// If a metric cannot be written.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry())?;
        Ok(text)
    }
}

/// What Prometheus must be told that [`Metrics::encode`] is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    EnvFilter::try_new(filter).map_err(|source| Error::Filter { filter: filter.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn what_is_registered_is_encoded() {
        let metrics = Metrics::new();
        let counter: Counter = Counter::default();
        metrics.registry().register("serin_test_events", "Events", counter.clone());
        counter.inc();
        let text = metrics.encode().unwrap();
        assert!(text.contains("serin_test_events_total 1"), "{text}");
    }

    #[test]
    fn memory_and_open_files_are_read_at_every_scrape() {
        let metrics = Metrics::new();
        let read = |name: &str| -> u64 {
            let text = metrics.encode().unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse().unwrap()
        };
        let memory = read("process_resident_memory_bytes ");
        let ballast = vec![1_u8; 64 << 20];
        assert!(read("process_resident_memory_bytes ") >= memory + (48 << 20));
        drop(ballast);
        let files = read("process_open_fds ");
        let more = [(); 50].map(|()| std::fs::File::open("/dev/null").unwrap());
        // Other tests open files as well.
        assert!(read("process_open_fds ") + 20 > files + more.len() as u64);
    }

    #[test]
    fn a_filter_that_is_none_is_refused_by_name() {
        let error = parse("nonsense=loud=very").unwrap_err();
        assert!(error.to_string().contains("nonsense"), "{error}");
    }
}
