//! Who is at the other end of a connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use shunt_core::identity::Caller;

/// Laid into every request by whoever accepts connections (an axum extension). A request without one is trusted with nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// Which proxy it speaks for.
    pub caller: Caller,
}

impl Peer {
    /// A process on this machine.
    pub fn local() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), caller: Caller::Local }
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), caller: Caller::Unknown }
    }
}
