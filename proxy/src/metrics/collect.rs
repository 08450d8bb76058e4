//! Answers a scrape: adds all workers' shards up and writes them under Istio's names.

use std::{collections::BTreeMap, fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::MetricType,
};

use super::{
    Metrics,
    event::{ALL, Event},
    histogram::Reading,
    labels::{MessageLabels, RequestLabels, StreamLabels},
    series::{MessageTotals, RequestTotals, StreamTotals},
};

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        encode_requests(&mut encoder, &self.add_requests())?;
        encode_messages(&mut encoder, &self.add_messages())?;
        encode_streams(&mut encoder, &self.add_streams())?;
        encode_events(&mut encoder, self)
    }
}

impl Metrics {
    fn add_requests(&self) -> BTreeMap<RequestLabels, RequestTotals> {
        let mut totals: BTreeMap<RequestLabels, RequestTotals> = BTreeMap::new();
        for shard in self.shards() {
            shard.requests.for_each(|labels, series| {
                totals.entry(labels.clone()).or_default().add(series);
            });
        }
        totals
    }

    fn add_messages(&self) -> BTreeMap<MessageLabels, MessageTotals> {
        let mut totals: BTreeMap<MessageLabels, MessageTotals> = BTreeMap::new();
        for shard in self.shards() {
            shard.messages.for_each(|labels, series| {
                totals.entry(labels.clone()).or_default().add(series);
            });
        }
        totals
    }

    fn add_streams(&self) -> BTreeMap<StreamLabels, StreamTotals> {
        let mut totals: BTreeMap<StreamLabels, StreamTotals> = BTreeMap::new();
        for shard in self.shards() {
            shard.streams.for_each(|path, series| {
                for (flags, counted) in series.by_flags() {
                    let labels = StreamLabels { path: Arc::clone(path), flags };
                    totals.entry(labels).or_default().add(counted);
                }
            });
        }
        totals
    }

    /// How often `event` happened, on all workers.
    #[must_use]
    pub fn counted(&self, event: Event) -> u64 {
        self.shards().iter().map(|shard| shard.events.read(event)).sum()
    }
}

fn encode_requests(
    encoder: &mut DescriptorEncoder<'_>,
    totals: &BTreeMap<RequestLabels, RequestTotals>,
) -> Result<(), fmt::Error> {
    let counts = totals.iter().map(|(labels, totals)| (labels, totals.count));
    encode_counter(encoder, "istio_requests", "Requests", counts)?;
    let of = |part: fn(&RequestTotals) -> &Reading| {
        totals.iter().map(move |(labels, totals)| (labels, part(totals)))
    };
    let durations = of(|totals| &totals.duration);
    encode_histogram(encoder, "istio_request_duration_milliseconds", "Time to the end", durations)?;
    let bytes = of(|totals| &totals.request_bytes);
    encode_histogram(encoder, "istio_request_bytes", "Size of request bodies", bytes)?;
    let bytes = of(|totals| &totals.response_bytes);
    encode_histogram(encoder, "istio_response_bytes", "Size of response bodies", bytes)
}

fn encode_messages(
    encoder: &mut DescriptorEncoder<'_>,
    totals: &BTreeMap<MessageLabels, MessageTotals>,
) -> Result<(), fmt::Error> {
    let sent = totals.iter().map(|(labels, totals)| (labels, totals.requests));
    encode_counter(encoder, "istio_request_messages", "Messages of gRPC clients", sent)?;
    let sent = totals.iter().map(|(labels, totals)| (labels, totals.responses));
    encode_counter(encoder, "istio_response_messages", "Messages of gRPC servers", sent)
}

fn encode_streams(
    encoder: &mut DescriptorEncoder<'_>,
    totals: &BTreeMap<StreamLabels, StreamTotals>,
) -> Result<(), fmt::Error> {
    let of = |part: Part| totals.iter().map(move |(labels, totals)| (labels, part(totals)));
    let families: [(&str, &str, Part); 4] = [
        ("istio_tcp_sent_bytes", "Bytes sent in responses", |totals| totals.sent),
        ("istio_tcp_received_bytes", "Bytes received in requests", |totals| totals.received),
        ("istio_tcp_connections_opened", "Connections opened", |totals| totals.opened),
        ("istio_tcp_connections_closed", "Connections closed", |totals| totals.closed),
    ];
    families
        .into_iter()
        .try_for_each(|(name, help, part)| encode_counter(encoder, name, help, of(part)))
}

/// One of the numbers of a stream's totals.
type Part = fn(&StreamTotals) -> u64;

fn encode_events(encoder: &mut DescriptorEncoder<'_>, metrics: &Metrics) -> Result<(), fmt::Error> {
    let labels: Vec<_> = ALL.iter().map(|event| ([("event", event.label())], *event)).collect();
    let counts = labels.iter().map(|(labels, event)| (labels, metrics.counted(*event)));
    encode_counter(
        encoder,
        "serin_proxy_events",
        "What happened to connections and requests",
        counts,
    )
}

fn encode_counter<'a, L: EncodeLabelSet + 'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (&'a L, u64)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        family.encode_family(labels)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
    }
    Ok(())
}

fn encode_histogram<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (&'a RequestLabels, &'a Reading)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, reading) in values {
        let (sum, count, buckets) = (reading.sum(), reading.count(), reading.buckets());
        family.encode_family(labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}
