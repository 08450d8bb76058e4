//! The pod's addresses, as the downward API writes them: separated by commas.

use std::{
    net::{AddrParseError, IpAddr},
    str::FromStr,
};

/// The pod's addresses, the primary one first; never none once [`Addresses::with_first`] was
/// called.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Addresses(Vec<IpAddr>);

impl Addresses {
    /// These, with `primary` first.
    #[must_use]
    pub fn with_first(self, primary: IpAddr) -> Self {
        let others = self.0.into_iter().filter(|address| *address != primary);
        Self(std::iter::once(primary).chain(others).collect())
    }

    /// The address that Kubernetes shows.
    #[must_use]
    pub fn primary(&self) -> IpAddr {
        self.0.first().copied().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.0.iter().copied()
    }
}

impl FromStr for Addresses {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        let addresses = text.split(',').map(str::trim).filter(|address| !address.is_empty());
        addresses.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}
