//! What came of requests, by the version that answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

/// What came of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// Which user sent it.
    pub(super) user: usize,
    /// Who answered; empty: the answer does not say it.
    pub(super) version: String,
    /// Its status; none: no answer came.
    pub(super) status: Option<u16>,
    /// How long it took.
    pub(super) took: Duration,
}

/// Of one version, or of several together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counted {
    users: BTreeSet<usize>,
    statuses: BTreeMap<String, u64>,
    /// Microseconds of answered requests.
    took: Vec<u64>,
    requests: u64,
    failed: u64,
}

/// All requests so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    versions: BTreeMap<String, Counted>,
    /// The version that each user was answered by last, and how often that changed.
    last: BTreeMap<usize, String>,
    changed: u64,
}

/// One version, for people and programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) version: String,
    pub(super) users: usize,
    pub(super) requests: u64,
    /// No answer, or a status of 500 and more.
    pub(super) failed: u64,
    /// By status; `none`: no answer came.
    pub(super) statuses: BTreeMap<String, u64>,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Tally {
    /// One more.
    pub(super) fn add(&mut self, sent: &Sent) {
        let version = if sent.version.is_empty() { "unknown" } else { &sent.version };
        let counted = self.versions.entry(version.to_owned()).or_default();
        counted.requests += 1;
        counted.users.insert(sent.user);
        *counted.statuses.entry(sent.status.map_or_else(|| "none".to_owned(), |status| status.to_string())).or_default() += 1;
        counted.failed += u64::from(sent.status.is_none_or(|status| status >= 500));
        if sent.status.is_some() {
            counted.took.push(u64::try_from(sent.took.as_micros()).unwrap_or(u64::MAX));
        }
        if !sent.version.is_empty() && self.last.insert(sent.user, sent.version.clone()).is_some_and(|before| before != sent.version) {
            self.changed += 1;
        }
    }

    /// A row per version.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.versions.iter().map(|(version, counted)| counted.row(version)).collect()
    }

    /// How often a user was answered by another version than before.
    pub(super) fn changed(&self) -> u64 {
        self.changed
    }

    /// Requests that were answered by anything.
    pub(super) fn answered(&self) -> usize {
        self.versions.values().map(|counted| counted.took.len()).sum()
    }
}

impl Counted {
    fn row(&self, version: &str) -> Row {
        let mut took = self.took.clone();
        took.sort_unstable();
        let at = |percent: usize| took.get((took.len() * percent / 100).min(took.len().saturating_sub(1))).copied().unwrap_or(0);
        Row {
            version: version.to_owned(),
            users: self.users.len(),
            requests: self.requests,
            failed: self.failed,
            statuses: self.statuses.clone(),
            p50_ms: at(50) as f64 / 1_000.0,
            p99_ms: at(99) as f64 / 1_000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(user: usize, version: &str, status: Option<u16>, millis: u64) -> Sent {
        Sent { user, version: version.to_owned(), status, took: Duration::from_millis(millis) }
    }

    #[test]
    fn requests_are_counted_where_they_were_answered() {
        let mut tally = Tally::default();
        for sent in [sent(1, "v1", Some(200), 4), sent(1, "v1", Some(200), 6), sent(2, "v2", Some(500), 9), sent(3, "", None, 0)] {
            tally.add(&sent);
        }
        let rows = tally.rows();
        let brief: Vec<_> = rows.iter().map(|row| (row.version.as_str(), row.users, row.requests, row.failed)).collect();
        assert_eq!(brief, [("unknown", 1, 1, 1), ("v1", 1, 2, 0), ("v2", 1, 1, 1)]);
        assert_eq!((rows[1].p50_ms, rows[1].p99_ms), (6.0, 6.0));
        assert_eq!(rows[0].statuses, BTreeMap::from([("none".to_owned(), 1)]));
        assert_eq!((tally.answered(), tally.changed()), (3, 0));
    }

    #[test]
    fn users_that_change_version_are_counted() {
        let mut tally = Tally::default();
        for version in ["v1", "v2", "v2", "v1"] {
            tally.add(&sent(1, version, Some(200), 1));
        }
        assert_eq!(tally.changed(), 2);
    }
}
