//! Follows one kind through lists, watches and failures.

use std::{fmt, time::Duration};

use futures::{Stream, StreamExt as _, stream::BoxStream};
use kube::{
    Resource,
    runtime::{
        utils::Backoff as _,
        watcher::{DefaultBackoff, Error, Event},
    },
};
use tokio::time::sleep;
use tracing::{info, warn};

use super::{Change, Meter, Missing, ObjectName};

/// What kube says of a kind, with failures in between.
pub(super) type Events<K> = BoxStream<'static, Result<Event<K>, Error>>;

/// One watch and where it stands.
pub(super) struct Follow<K, T> {
    kind: &'static str,
    /// Starts from nothing.
    open: Box<dyn FnMut() -> Events<K> + Send>,
    events: Events<K>,
    keep: fn(&K) -> Option<T>,
    missing: Missing,
    meter: Meter,
    /// What was listed, while a list is under way.
    listed: Option<Vec<(ObjectName, T)>>,
    /// Said already that there is no such kind.
    said_missing: bool,
    /// Failures since something last went well.
    failures: u32,
    backoff: DefaultBackoff,
    pause: Option<Duration>,
}

impl<K, T> Follow<K, T>
where
    K: Resource + fmt::Debug + Send + 'static,
    T: Send,
{
    pub(super) fn new(
        kind: &'static str,
        mut open: Box<dyn FnMut() -> Events<K> + Send>,
        keep: fn(&K) -> Option<T>,
        missing: Missing,
        meter: Meter,
    ) -> Self {
        let (events, backoff) = (open(), DefaultBackoff::default());
        let (listed, said_missing, failures, pause) = (None, false, 0, None);
        Self {
            kind,
            open,
            events,
            keep,
            missing,
            meter,
            listed,
            said_missing,
            failures,
            backoff,
            pause,
        }
    }

    pub(super) fn changes(self) -> impl Stream<Item = Change<T>> + Send {
        futures::stream::unfold(self, async |mut follow| {
            let change = follow.next().await;
            Some((change, follow))
        })
    }

    async fn next(&mut self) -> Change<T> {
        loop {
            if let Some(pause) = self.pause.take() {
                sleep(pause).await;
            }
            let change = match self.events.next().await {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => self.fail(&error),
                None => {
                    self.reopen();
                    self.pause = Some(LONGEST_PAUSE);
                    None
                }
            };
            if let Some(change) = change {
                return change;
            }
        }
    }

    fn take(&mut self, event: Event<K>) -> Option<Change<T>> {
        match event {
            Event::Init => {
                self.listed = Some(Vec::new());
                None
            }
            Event::InitApply(object) => {
                let kept = (self.keep)(&object).map(|kept| (ObjectName::of(&object), kept));
                self.listed.get_or_insert_default().extend(kept);
                None
            }
            Event::InitDone => {
                self.recover();
                self.said_missing = false;
                self.meter.listed(self.kind);
                Some(Change::Reset(self.listed.take().unwrap_or_default()))
            }
            Event::Apply(object) => {
                self.recover();
                self.meter.event(self.kind);
                let name = ObjectName::of(&object);
                Some(match (self.keep)(&object) {
                    Some(kept) => Change::Applied(name, kept),
                    None => Change::Deleted(name),
                })
            }
            Event::Delete(object) => {
                self.recover();
                self.meter.event(self.kind);
                Some(Change::Deleted(ObjectName::of(&object)))
            }
        }
    }

    fn fail(&mut self, error: &Error) -> Option<Change<T>> {
        self.pause =
            Some(self.backoff.next().map_or(LONGEST_PAUSE, |next| next.min(LONGEST_PAUSE)));
        if is_missing(error) {
            // A watch that was under way would ask for its old place for ever.
            self.reopen();
            if self.missing == Missing::Empty {
                return self.say_missing();
            }
        }
        self.meter.failure(self.kind);
        self.failures += 1;
        if self.failures == 1 {
            warn!(kind = self.kind, %error, "watch failed, trying again");
        }
        None
    }

    fn say_missing(&mut self) -> Option<Change<T>> {
        if self.said_missing {
            return None;
        }
        self.said_missing = true;
        info!(kind = self.kind, "the API server does not have this kind");
        self.meter.listed(self.kind);
        Some(Change::Reset(Vec::new()))
    }

    fn reopen(&mut self) {
        self.events = (self.open)();
        self.listed = None;
    }

    fn recover(&mut self) {
        if self.failures > 0 {
            info!(kind = self.kind, failures = self.failures, "watch recovered");
            self.failures = 0;
        }
        self.backoff.reset();
    }
}

fn is_missing(error: &Error) -> bool {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 404,
        Error::InitialListFailed(_)
        | Error::WatchStartFailed(_)
        | Error::WatchError(_)
        | Error::WatchFailed(_)
        | Error::NoResourceVersion => false,
    }
}

/// The longest pause between two tries: what an outage of the API server costs after its end.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
