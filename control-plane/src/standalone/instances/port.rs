//! Ports for instances.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Below 32768, from where the kernel takes ports for outgoing connections.
const FIRST: u64 = 20_000;
const COUNT: u64 = 12_700;

/// Where to begin: two control planes on one machine do not try the same ports.
pub(super) fn seed(data: &Path) -> u64 {
    Sha256::digest(data.as_os_str().as_encoded_bytes()).iter().take(4).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// A free port, and the number to start from the next time. Numbers only grow: a port that some proxy may still know as that of
/// another version is not given to a new instance soon.
pub(super) fn free(seed: u64, number: u64) -> Option<(u16, u64)> {
    (number..number.saturating_add(COUNT)).find_map(|number| {
        let port = u16::try_from(FIRST + seed.wrapping_add(number) % COUNT).ok()?;
        is_free(port).then_some((port, number.saturating_add(1)))
    })
}

/// Neither on loopback nor on all addresses does a process listen there.
fn is_free(port: u16) -> bool {
    [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].into_iter().all(|address| TcpListener::bind((address, port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_ports_are_passed_over_and_none_comes_back_soon() {
        let (first, next) = free(u64::from(std::process::id()), 0).unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        let (again, _) = free(u64::from(std::process::id()), 0).unwrap();
        assert_ne!(again, first);
        let (other, after) = free(u64::from(std::process::id()), next).unwrap();
        assert_ne!(other, first);
        assert!(after > next);
    }
}
