//! What is kept of a ServiceCIDR.

use ipnet::IpNet;
use k8s_openapi::api::networking::v1::ServiceCIDR;

/// Ranges that services get their addresses from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceCidr(pub Vec<IpNet>);

impl ServiceCidr {
    /// What is kept of `cidr`.
    #[must_use]
    pub fn keep(cidr: &ServiceCIDR) -> Option<Self> {
        let cidrs = cidr.spec.iter().flat_map(|spec| spec.cidrs.iter().flatten());
        Some(Self(cidrs.filter_map(|text| text.parse().ok()).collect()))
    }
}
