//! Latencies in buckets that grow with them: 32 to each power of two, so a percentile read from
//! them is at most 1/32 too high, from a microsecond to an hour, in 8 KiB.

use super::stats::Latency;

const PER_OCTAVE: u64 = 32;
/// 28 octaves of them.
const BUCKETS: usize = 28 * 32;

/// How often each latency was seen.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: 0 }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, micros: u64) {
        let last = self.buckets.len().saturating_sub(1);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(micros).min(last)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max = self.max.max(micros);
    }

    pub(super) fn latency(&self) -> Latency {
        Latency {
            p50_us: self.percentile(50),
            p90_us: self.percentile(90),
            p99_us: self.percentile(99),
            max_us: self.max,
        }
    }

    /// The upper end of the bucket below which `percent` of all latencies lie.
    fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && wanted > 0 {
                return upper_end(index).min(self.max);
            }
        }
        self.max
    }
}

/// Below 64 every microsecond has a bucket; above, each octave is cut into 32.
fn bucket_of(micros: u64) -> usize {
    let shift = micros.checked_ilog2().unwrap_or(0).saturating_sub(5);
    let index = u64::from(shift) * PER_OCTAVE + (micros >> shift);
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn upper_end(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / PER_OCTAVE).saturating_sub(1);
    let steps = index - shift * PER_OCTAVE;
    ((steps + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_at_most_a_thirty_second_above_what_it_holds() {
        for octave in 0..32_u32 {
            for offset in [0, 1, 7] {
                let micros = (1_u64 << octave) + offset;
                let end = upper_end(bucket_of(micros));
                assert!(end >= micros && end - micros <= micros / 32, "{micros} → {end}");
            }
        }
    }

    #[test]
    fn percentiles_are_read_from_the_buckets() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|millis| histogram.record(millis * 1000));
        let latency = histogram.latency();
        assert_eq!(latency.max_us, 1_000_000);
        for (seen, exact) in
            [(latency.p50_us, 500_000), (latency.p90_us, 900_000), (latency.p99_us, 990_000)]
        {
            assert!(seen >= exact && seen <= exact + exact / 25, "{seen} for {exact}");
        }
    }

    #[test]
    fn nothing_seen_is_nothing_said() {
        assert_eq!(Histogram::default().latency(), Latency::default());
    }
}
