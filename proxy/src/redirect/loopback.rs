//! Gives the pod the IPv6 address from which the proxy reaches its application.
//!
//! 127.0.0.6 needs nothing: all of 127.0.0.0/8 is the loopback interface's. IPv6 has one loopback
//! address only, so a second one is added to the interface, as `ip -6 address add ::6/128 dev lo`
//! would.

use std::{fmt, io, net::UdpSocket, time::Duration};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::{
    Error,
    socket::{self, Answer},
};
use crate::ports;

/// Whether the pod can use IPv6.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ipv6 {
    /// The address is there.
    Ready,
    /// IPv6 is switched off in this pod, so nobody reaches its application that way.
    Off,
}

/// Adds the address, if it is not there yet.
pub(super) fn add_address() -> Result<Ipv6, Error> {
    let answer = socket::ask(NETLINK_ROUTE, &[request()])
        .map_err(|source| Error::Socket { subsystem: "routing", source })?;
    match answer {
        Answer::Confirmed => wait_for_route().map(|()| Ipv6::Ready),
        Answer::Silent => Err(Error::Unconfirmed),
        Answer::Refused { error, .. } if is_switched_off(&error) => Ok(Ipv6::Off),
        Answer::Refused { error: source, .. } => {
            let statement = format!("add the address {} to lo", ports::TO_APPLICATION_V6);
            Err(Error::Refused { statement, source })
        }
    }
}

/// The kernel adds the route that makes an address local a moment after it confirmed the address,
/// and what is sent to the address until then goes astray. So something is, until it arrives.
fn wait_for_route() -> Result<(), Error> {
    match exchange() {
        Ok(true) => Ok(()),
        Ok(false) => Err(useless(io::ErrorKind::TimedOut.into())),
        Err(source) => Err(useless(source)),
    }
}

/// Whether a datagram from the address to itself arrives.
fn exchange() -> io::Result<bool> {
    let socket = UdpSocket::bind((ports::TO_APPLICATION_V6, 0))?;
    socket.set_read_timeout(Some(LOOK_AGAIN))?;
    let address = socket.local_addr()?;
    for _ in 0..MOST_LOOKS {
        // There may be no route at all yet.
        drop(socket.send_to(&[1], address));
        if socket.recv(&mut [0]).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn useless(source: io::Error) -> Error {
    let statement = format!("lead {} to the loopback interface", ports::TO_APPLICATION_V6);
    Error::Refused { statement, source }
}

/// What the kernel answers where IPv6 is not compiled in, disabled at boot, or by
/// `net.ipv6.conf.lo.disable_ipv6`.
fn is_switched_off(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EACCES | EOPNOTSUPP | EAFNOSUPPORT))
}

fn request() -> NetlinkMessage<NewAddress> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(NewAddress));
    message.finalize();
    message
}

/// RTM_NEWADDR for the one address there is to add: `struct ifaddrmsg` and IFA_LOCAL
/// (rtnetlink(7)).
struct NewAddress;

impl NewAddress {
    fn bytes() -> Vec<u8> {
        let address = ports::TO_APPLICATION_V6.octets();
        let mut bytes = vec![AF_INET6, 128, IFA_F_NODAD, RT_SCOPE_HOST];
        bytes.extend(LOOPBACK_INDEX.to_ne_bytes());
        bytes.extend(ATTRIBUTE_LENGTH.to_ne_bytes());
        bytes.extend(IFA_LOCAL.to_ne_bytes());
        bytes.extend(address);
        bytes
    }
}

impl NetlinkSerializable for NewAddress {
    fn message_type(&self) -> u16 {
        RTM_NEWADDR
    }

    fn buffer_len(&self) -> usize {
        Self::bytes().len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&Self::bytes());
    }
}

impl fmt::Display for Ipv6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Off => "switched off in this pod",
        })
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Some seconds, as the kernel rounds up.
const MOST_LOOKS: u32 = 1000;

// linux/rtnetlink.h, linux/if_addr.h, linux/socket.h; the loopback interface is the first of every
// namespace.
const RTM_NEWADDR: u16 = 20;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 2;
const RT_SCOPE_HOST: u8 = 254;
const AF_INET6: u8 = 10;
const LOOPBACK_INDEX: u32 = 1;
/// Four bytes of header and sixteen of address.
const ATTRIBUTE_LENGTH: u16 = 20;
const EACCES: i32 = 13;
const EOPNOTSUPP: i32 = 95;
const EAFNOSUPPORT: i32 = 97;
