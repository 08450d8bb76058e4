//! What the kernel says of this process, under the names that Prometheus' own clients use.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::gauge::ConstGauge,
};

/// Reads memory and open files at every scrape. What the kernel does not say is left out.
#[derive(Debug)]
pub(crate) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let readings = [
            ("process_resident_memory_bytes", "Resident memory in bytes", resident_bytes()),
            ("process_open_fds", "Open file descriptors", open_files()),
        ];
        for (name, help, reading) in readings {
            if let Some(value) = reading.and_then(|value| i64::try_from(value).ok()) {
                let gauge = ConstGauge::new(value);
                let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
                gauge.encode(metric)?;
            }
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn open_files() -> Option<u64> {
    let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // Reading the folder opens it.
    u64::try_from(files.saturating_sub(1)).ok()
}
