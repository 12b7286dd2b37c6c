//! Who is at the other end of a connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use shunt_core::identity::Caller;

/// Laid into every request by the listener that accepts connections (an axum extension). A request without one is trusted with nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// Which proxy it speaks for.
    pub caller: Caller,
    /// What the connection is made of.
    pub transport: Transport,
}

/// What a connection is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Clear text. A browser on this machine comes here under any name that leads to a loopback address.
    Clear,
    /// TLS: a browser checks that the certificate has the name it came by.
    Tls,
}

impl Peer {
    /// A process on this machine.
    pub fn local() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), caller: Caller::Local, transport: Transport::Clear }
    }

    /// Its address without the port, as people write it.
    pub(crate) fn ip(&self) -> String {
        self.address.ip().to_canonical().to_string()
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), caller: Caller::Unknown, transport: Transport::Clear }
    }
}
