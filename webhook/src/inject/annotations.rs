//! What a pod says about its own proxy.
//!
//! A value that cannot be used refuses the pod: a setting that is dropped in silence would be found
//! out in production.

use std::{fmt, str::FromStr};

use api::{names, span::Span, webhook_config::WebhookConfig};
use k8s_openapi::{
    api::core::v1::{Pod, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};

/// How a pod's proxy is to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodSettings {
    pub(super) exclude_inbound_ports: Vec<u16>,
    pub(super) proxy_protocol_ports: Vec<u16>,
    pub(super) preserve_header_case: bool,
    pub(super) exclude_outbound_ports: Vec<u16>,
    pub(super) exclude_outbound_cidrs: Vec<String>,
    pub(super) exclude_uids: Vec<u32>,
    pub(super) log_level: String,
    /// What the pod says; the mesh's word is none of the injector's business.
    pub(super) access_log: Option<bool>,
    pub(super) workers: Option<u16>,
    pub(super) drain_seconds: u64,
    pub(super) resources: ResourceRequirements,
}

/// An annotation that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("annotation {name}={value:?}: {why}")]
pub struct Invalid {
    name: &'static str,
    value: String,
    why: String,
}

impl PodSettings {
    /// What `pod` says, and for the rest what the installation says.
    pub(super) fn of(pod: &Pod, config: &WebhookConfig) -> Result<Self, Invalid> {
        let read = Read(pod);
        let drain =
            read.one::<Span>(names::DRAIN)?.map_or(config.drain_seconds, |span| span.0.as_secs());
        let workers = config.workers.and_then(|workers| u16::try_from(workers).ok());
        let cidrs: Vec<Cidr> = read.list(names::EXCLUDE_OUTBOUND_CIDRS)?;
        Ok(Self {
            exclude_inbound_ports: read.ports(names::EXCLUDE_INBOUND_PORTS)?,
            proxy_protocol_ports: read.ports(names::PROXY_PROTOCOL_PORTS)?,
            preserve_header_case: read.one(names::PRESERVE_HEADER_CASE)?.unwrap_or_default(),
            exclude_outbound_ports: read.ports(names::EXCLUDE_OUTBOUND_PORTS)?,
            exclude_outbound_cidrs: cidrs.into_iter().map(|cidr| cidr.0).collect(),
            exclude_uids: read.list(names::EXCLUDE_UIDS)?,
            log_level: read.one(names::LOG_LEVEL)?.unwrap_or_else(|| config.log_level.clone()),
            access_log: read.one(names::ACCESS_LOG)?,
            workers: read.one(names::WORKERS)?.or(workers),
            drain_seconds: drain.min(longest_drain(pod)).max(1),
            resources: read.resources(&config.resources)?,
        })
    }
}

/// The kubelet ends the pod's containers when its grace period is over: a drain that takes longer
/// would only be cut off.
fn longest_drain(pod: &Pod) -> u64 {
    let grace = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    u64::try_from(grace.unwrap_or(DEFAULT_GRACE_SECONDS)).unwrap_or(0).saturating_sub(1)
}

/// Reads annotations of a pod.
struct Read<'a>(&'a Pod);

impl<'a> Read<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }

    fn one<T: FromStr<Err: fmt::Display>>(&self, name: &'static str) -> Result<Option<T>, Invalid> {
        self.text(name).map(|text| parse(name, text, text)).transpose()
    }

    fn list<T: FromStr<Err: fmt::Display>>(&self, name: &'static str) -> Result<Vec<T>, Invalid> {
        let text = self.text(name).unwrap_or_default();
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| parse(name, text, item)).collect()
    }

    fn ports(&self, name: &'static str) -> Result<Vec<u16>, Invalid> {
        Ok(self.list::<Port>(name)?.into_iter().map(|port| port.0).collect())
    }

    fn resources(&self, default: &ResourceRequirements) -> Result<ResourceRequirements, Invalid> {
        let mut resources = default.clone();
        for (name, kind, limit) in [
            (names::PROXY_CPU, "cpu", false),
            (names::PROXY_MEMORY, "memory", false),
            (names::PROXY_CPU_LIMIT, "cpu", true),
            (names::PROXY_MEMORY_LIMIT, "memory", true),
        ] {
            if let Some(amount) = self.one::<Amount>(name)? {
                let of = if limit { &mut resources.limits } else { &mut resources.requests };
                of.get_or_insert_default().insert(kind.to_owned(), Quantity(amount.0));
            }
        }
        Ok(resources)
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(
    name: &'static str,
    value: &str,
    item: &str,
) -> Result<T, Invalid> {
    let invalid = |why: T::Err| Invalid { name, value: value.to_owned(), why: why.to_string() };
    item.parse().map_err(invalid)
}

/// A port's number.
struct Port(u16);

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a port number from 1 to 65535");
        text.parse().ok().filter(|port| *port != 0).map(Self).ok_or_else(wrong)
    }
}

/// An amount of CPU or memory, such as `100m` or `64Mi`.
struct Amount(String);

impl FromStr for Amount {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let suffix = text.strip_prefix(number).unwrap_or_default();
        let good = number.parse::<f64>().is_ok_and(|n| n.is_finite() && n >= 0.0);
        if good && SUFFIXES.contains(&suffix) {
            Ok(Self(text.to_owned()))
        } else {
            Err("not an amount such as 100m, 0.5, 64Mi or 1Gi")
        }
    }
}

/// A range of addresses, such as `10.0.0.0/8`.
struct Cidr(String);

impl FromStr for Cidr {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "not a range such as 10.0.0.0/8 or fd00::/8";
        let (address, length) = text.split_once('/').ok_or(wrong)?;
        let address: std::net::IpAddr = address.parse().map_err(|_why| wrong)?;
        let length: u8 = length.parse().map_err(|_why| wrong)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if length <= longest { Ok(Self(text.to_owned())) } else { Err(wrong) }
    }
}

const DEFAULT_GRACE_SECONDS: i64 = 30;
const SUFFIXES: [&str; 13] = ["", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
