//! What a shop counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::seen::Seen;

/// How many requests are kept in full.
pub(super) const KEPT: usize = 500;
/// How many different values of one header are counted; further ones count as `(other)`.
const VALUES: usize = 10_000;

/// Counters since the start, or since they were reset. Requests to `/live`, `/ready` and `/admin/` are not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All requests, copies included.
    pub total: u64,
    /// Mirrored copies (`x-shunt-shadow: 1`).
    pub shadow: u64,
    /// Requests that are not answered yet.
    pub open: u64,
    /// Replies by status; a broken connection counts as 0.
    pub status: BTreeMap<u16, u64>,
    /// Requests by value, for each header that starts with `x-shunt-` or is watched.
    pub headers: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Counts {
    /// Requests of users: all without copies.
    pub fn primary(&self) -> u64 {
        self.total.saturating_sub(self.shadow)
    }

    /// Requests with this value of this header.
    pub fn with_header(&self, name: &str, value: &str) -> u64 {
        self.headers.get(name).and_then(|values| values.get(value)).copied().unwrap_or(0)
    }
}

/// Keeps the counts.
#[derive(Debug)]
pub(super) struct Book {
    watch: Vec<String>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    counts: Counts,
    requests: VecDeque<Seen>,
}

impl Book {
    pub(super) fn new(watch: &[String]) -> Self {
        Self { watch: watch.iter().map(|name| name.to_lowercase()).collect(), pages: Mutex::default() }
    }

    pub(super) fn started(&self, seen: &Seen) {
        let mut pages = self.pages();
        let counts = &mut pages.counts;
        counts.total += 1;
        counts.open += 1;
        counts.shadow += u64::from(seen.shadow());
        for header in &seen.headers {
            if header.name.starts_with("x-shunt-") || self.watch.contains(&header.name) {
                let values = counts.headers.entry(header.name.clone()).or_default();
                let value = header.value.as_deref().or(header.hex.as_deref()).unwrap_or_default();
                let value = if values.len() < VALUES || values.contains_key(value) { value } else { "(other)" };
                *values.entry(value.to_owned()).or_default() += 1;
            }
        }
        if pages.requests.len() == KEPT {
            pages.requests.pop_front();
        }
        pages.requests.push_back(seen.clone());
    }

    /// A status of 0: the connection broke.
    pub(super) fn ended(&self, status: u16) {
        let mut pages = self.pages();
        pages.counts.open = pages.counts.open.saturating_sub(1);
        *pages.counts.status.entry(status).or_default() += 1;
    }

    pub(super) fn counts(&self) -> Counts {
        self.pages().counts.clone()
    }

    pub(super) fn requests(&self) -> Vec<Seen> {
        self.pages().requests.iter().cloned().collect()
    }

    /// Requests that are still open stay counted as open.
    pub(super) fn reset(&self) {
        let mut pages = self.pages();
        let open = pages.counts.open;
        *pages = Pages::default();
        pages.counts.open = open;
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
