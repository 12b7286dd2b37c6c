//! Ports for those who must know theirs before they listen. Prefer port 0 wherever the listener can say what it got.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// First port tried; the kernel hands out ports for outgoing connections from 32768, so none of those can take ours.
const FIRST: u32 = 10_240;
const COUNT: u32 = 22_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A loopback port that no process listens on. Each process starts its search elsewhere, so that runs go side by side.
///
/// # Panics
/// When no port is free at all.
pub fn free_port() -> u16 {
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let port = u16::try_from(port).unwrap_or(u16::MAX);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free loopback port between {FIRST} and {}", FIRST + COUNT);
}

/// `127.0.0.1:<free port>`.
pub fn free_address() -> std::net::SocketAddr {
    std::net::SocketAddr::from(([127, 0, 0, 1], free_port()))
}

#[cfg(test)]
mod tests {
    use super::free_port;

    #[test]
    fn never_the_same_twice_in_a_row() {
        let ports: std::collections::BTreeSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
    }

    #[test]
    fn not_one_that_is_taken() {
        let first = free_port();
        let _taken = std::net::TcpListener::bind(("127.0.0.1", first)).unwrap();
        assert!((0..100).all(|_| free_port() != first));
    }
}
