//! How much the API takes on at a time, in lanes: no client that reads can use up what health checks, changes and reports need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::shares::Shares;

/// Clients that are told apart at a time.
const CLIENTS: usize = 10_000;

const MIB: usize = 1024 * 1024;

/// Limits; clones share them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Health checks and the API's description, per address.
    pub probes: Lane,
    /// Requests that only read, per token or address.
    pub reads: Lane,
    /// Event streams and waits, per token or address.
    pub waits: Lane,
    /// Requests that change something: only callers that may do so come so far.
    pub changes: Lane,
    /// Reports, per certificate or address. A place is taken only when the whole body is there.
    pub reports: Lane,
    /// Bytes of bodies that are on their way, of requests that are no reports.
    pub bodies: Shares,
    /// Bytes of reports that are on their way.
    pub report_bodies: Shares,
    /// How long a body may take to arrive, from the end of its headers.
    pub arrival: Duration,
    /// How long a request that has arrived may take to be answered.
    pub patience: Duration,
}

/// What one kind of requests may use.
#[derive(Debug, Clone)]
pub struct Lane {
    /// How many a second, per client.
    pub rate: Bucket,
    /// How many at a time.
    pub places: Shares,
}

impl Lane {
    /// Of `places` at a time each client gets at most `each`.
    pub fn new(rate: Bucket, places: usize, each: usize) -> Self {
        Self { rate, places: Shares::new(places, each) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            probes: Lane::new(Bucket::new(100, 1_000), 64, 32),
            reads: Lane::new(Bucket::new(1_000, 2_000), 64, 32),
            waits: Lane::new(Bucket::new(1_000, 2_000), 256, 128),
            changes: Lane::new(Bucket::new(1_000, 2_000), 64, 32),
            // A proxy of 64 workers under analysis posts some 260 a second; behind one loopback address are all proxies.
            reports: Lane::new(Bucket::new(2_000, 4_000), 64, 64),
            bodies: Shares::new(32 * MIB, 16 * MIB),
            report_bodies: Shares::new(64 * MIB, 32 * MIB),
            arrival: Duration::from_secs(10),
            patience: Duration::from_secs(30),
        }
    }
}

/// So many a second for each client, and so many at once after a quiet time (GCRA, ITU-T I.371). Clones share it.
#[derive(Debug, Clone)]
pub struct Bucket {
    interval: Duration,
    slack: Duration,
    /// When each client would be back at rest; those at rest are forgotten when there are too many.
    clients: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Bucket {
    /// `per_second` of at least 1 in the long run, `burst` of at least 1 at once.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, slack: interval * burst.max(1).saturating_sub(1), clients: Arc::default() }
    }

    /// Takes one for this client; or how long it should wait before the next try.
    pub(crate) fn take(&self, client: &str, now: Instant) -> Result<(), Duration> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS && !clients.contains_key(client) {
            clients.retain(|_, rested_at| *rested_at > now);
        }
        // Too many at a time share one.
        let client = if clients.len() >= CLIENTS && !clients.contains_key(client) { "" } else { client };
        let rested_at = clients.get(client).copied().unwrap_or(now).max(now);
        if rested_at > now + self.slack {
            return Err(rested_at.duration_since(now + self.slack));
        }
        clients.insert(client.to_owned(), rested_at + self.interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_then_so_many_a_second() {
        let bucket = Bucket::new(10, 3);
        let start = Instant::now();
        assert_eq!((0..5).filter(|_| bucket.take("ann", start).is_ok()).count(), 3);
        assert_eq!(bucket.take("ann", start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take("bob", start), Ok(()), "others are not held up");
        let later = start + Duration::from_millis(100);
        assert_eq!(bucket.take("ann", later), Ok(()));
        assert!(bucket.take("ann", later).is_err());
        let much_later = start + Duration::from_secs(60);
        assert_eq!((0..5).filter(|_| bucket.take("ann", much_later).is_ok()).count(), 3, "nothing is saved up beyond the burst");
    }

    #[test]
    fn the_memory_is_bounded() {
        let bucket = Bucket::new(1, 1);
        let start = Instant::now();
        for number in 0..CLIENTS + 10 {
            let _ = bucket.take(&number.to_string(), start);
        }
        assert!(bucket.clients.lock().unwrap().len() <= CLIENTS + 1);
        let later = start + Duration::from_secs(10);
        assert_eq!(bucket.take("new", later), Ok(()));
        assert_eq!(bucket.clients.lock().unwrap().len(), 1, "who is at rest is forgotten");
    }
}
