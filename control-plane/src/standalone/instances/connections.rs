//! Whether a client is still connected to an instance: the kernel's own table, so that nothing in flight is overlooked.

use std::collections::BTreeSet;
use std::fs;

/// TCP states in which a peer may still be served: established, and half-closed by the peer.
const OPEN: [&str; 2] = ["01", "08"];

/// Local ports with open connections; none when the table cannot be read.
pub(super) fn busy_ports() -> Option<BTreeSet<u16>> {
    let four = fs::read_to_string("/proc/net/tcp").ok()?;
    // Absent where the kernel knows no IPv6.
    let six = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    Some(four.lines().chain(six.lines()).filter_map(open_port).collect())
}

/// `  0: 0100007F:4E20 0100007F:D2F0 01 ...`
fn open_port(line: &str) -> Option<u16> {
    let mut fields = line.split_ascii_whitespace();
    let (local, state) = (fields.nth(1)?, fields.nth(1)?);
    OPEN.contains(&state).then(|| u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_seen_while_it_lasts() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!busy_ports().unwrap().contains(&port), "listening alone is not being busy");
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _accepted = listener.accept().unwrap();
        assert!(busy_ports().unwrap().contains(&port));
    }
}
