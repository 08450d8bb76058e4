//! `Payment`, the service of `proto/shop.proto`, struck by the same faults as HTTP.

use std::time::Duration;

use futures::{StreamExt as _, stream, stream::BoxStream};
use http::StatusCode;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{
    proto::shop::{
        Beat, PayReply, PayRequest, Receipt, ReceiptsRequest, Settlement, payment_server::Payment,
    },
    sequence::Sequence,
};
use crate::{fault::Faults, identity::Identity};

/// More receipts than anybody needs.
const MOST_RECEIPTS: u32 = 1_000_000;

/// The service and who it is.
#[derive(Clone, Debug)]
pub(super) struct Service {
    identity: Identity,
    faults: Faults,
    leaving: CancellationToken,
}

impl Service {
    pub(super) const fn new(
        identity: Identity,
        faults: Faults,
        leaving: CancellationToken,
    ) -> Self {
        Self { identity, faults, leaving }
    }

    async fn strike(&self) -> Result<(), Status> {
        self.faults.strike().await.map_or(Ok(()), |status| Err(failed_with(status)))
    }
}

/// The code that stands for an HTTP status, as gRPC's own mapping has it where it has one.
fn failed_with(status: StatusCode) -> Status {
    let message = "failed on demand";
    match status.as_u16() {
        400 | 500 => Status::internal(message),
        401 => Status::unauthenticated(message),
        403 => Status::permission_denied(message),
        404 => Status::unimplemented(message),
        429 | 502..=504 => Status::unavailable(message),
        _ => Status::unknown(message),
    }
}

#[tonic::async_trait]
impl Payment for Service {
    type ReceiptsStream = BoxStream<'static, Result<Receipt, Status>>;
    type WatchStream = BoxStream<'static, Result<Beat, Status>>;

    async fn pay(&self, request: Request<PayRequest>) -> Result<Response<PayReply>, Status> {
        self.strike().await?;
        let certificate = request.metadata().get("x-forwarded-client-cert");
        let certificate = certificate.and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Response::new(PayReply {
            client_certificate: certificate.to_owned(),
            service: self.identity.name.clone(),
            version: self.identity.version.clone(),
            pod: self.identity.pod.clone(),
            order: request.into_inner().order,
        }))
    }

    async fn receipts(
        &self,
        request: Request<ReceiptsRequest>,
    ) -> Result<Response<Self::ReceiptsStream>, Status> {
        self.strike().await?;
        let ReceiptsRequest { count, interval_millis } = request.into_inner();
        let receipts = stream::iter(0..count.min(MOST_RECEIPTS));
        let rest = Duration::from_millis(u64::from(interval_millis));
        let receipts = receipts.then(move |number| async move {
            if number > 0 && !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
            Ok(Receipt { number })
        });
        Ok(Response::new(receipts.boxed()))
    }

    async fn settle(
        &self,
        request: Request<Streaming<PayRequest>>,
    ) -> Result<Response<Settlement>, Status> {
        self.strike().await?;
        let mut payments = request.into_inner();
        let mut settlement = Settlement::default();
        while let Some(payment) = payments.message().await? {
            settlement.payments += 1;
            settlement.cents = settlement.cents.saturating_add(payment.cents);
        }
        Ok(Response::new(settlement))
    }

    async fn watch(
        &self,
        request: Request<Streaming<Beat>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.strike().await?;
        let watch = Watch {
            beats: request.into_inner(),
            identity: self.identity.clone(),
            ticks: None,
            heard: Sequence::default(),
            next: 0,
            over: false,
            leaving: self.leaving.clone(),
        };
        let beats = stream::unfold(watch, Watch::next);
        Ok(Response::new(beats.boxed()))
    }
}

/// One stream of heartbeats, seen from the server.
struct Watch {
    beats: Streaming<Beat>,
    identity: Identity,
    /// Begins with the first beat of the caller, who says how often.
    ticks: Option<Interval>,
    heard: Sequence,
    next: u64,
    over: bool,
    leaving: CancellationToken,
}

impl Watch {
    /// Listens until it is time for the next beat. The last one follows the end of the caller's.
    async fn next(mut self) -> Option<(Result<Beat, Status>, Self)> {
        while !self.over {
            let message = match &mut self.ticks {
                None => self.beats.message().await,
                Some(ticks) => tokio::select! {
                    biased;
                    message = self.beats.message() => message,
                    () = self.leaving.cancelled() => {
                        self.over = true;
                        return Some((Ok(Beat { leaving: true, ..self.beat() }), self));
                    }
                    _ = ticks.tick() => return Some((Ok(self.beat()), self)),
                },
            };
            match message {
                Ok(Some(beat)) => self.hear(&beat),
                Ok(None) => {
                    self.over = true;
                    return Some((Ok(self.beat()), self));
                }
                Err(status) => {
                    self.over = true;
                    return Some((Err(status), self));
                }
            }
        }
        None
    }

    fn hear(&mut self, beat: &Beat) {
        self.heard.hear(beat.sequence);
        self.ticks.get_or_insert_with(|| every(beat.interval_millis));
    }

    fn beat(&mut self) -> Beat {
        let sequence = self.next;
        self.next += 1;
        Beat {
            sequence,
            heard: self.heard.heard,
            gaps: self.heard.gaps,
            interval_millis: 0,
            leaving: false,
            version: self.identity.version.clone(),
            pod: self.identity.pod.clone(),
        }
    }
}

fn every(millis: u32) -> Interval {
    let millis = if millis == 0 { 1000 } else { millis };
    let mut ticks = interval(Duration::from_millis(u64::from(millis)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
