//! The ports and addresses of a meshed pod that are Serin's.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Where connections from elsewhere are led.
pub const INBOUND: u16 = 15006;
/// Where the pod's own connections are led. It listens on the loopback addresses only.
pub const OUTBOUND: u16 = 15001;
/// What kubelet and Prometheus ask: readiness, metrics, the application's probes.
pub const POD_ADMIN: u16 = 15020;
/// What only the pod itself may ask: configuration, log level, drain.
pub const LOCAL_ADMIN: u16 = 15000;

/// The address from which the proxy reaches its application. The redirect rules know the last
/// stretch of a connection by it.
pub const TO_APPLICATION_V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// The same for IPv6. `serin-proxy redirect` adds it to the loopback interface.
pub const TO_APPLICATION_V6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);
