//! What became of the requests of a load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shot {
    /// When it was sent, since the load's start.
    pub at: Duration,
    /// Whose it was.
    pub user: usize,
    /// The version that answered (`x-version`); none when it was not the shop.
    pub version: Option<Arc<str>>,
    /// The reply's status; 0 when there was none.
    pub status: u16,
    /// From sending to the end of the reply.
    pub latency: Duration,
    /// Why there was no whole reply, or why Envoy answered with a failure of its own.
    pub error: Option<Box<str>>,
    /// The shop failed it because a fault was asked for (`x-injected`).
    pub injected: bool,
    /// On purpose, no version answered (`x-shunt-held`).
    pub held: bool,
}

impl Shot {
    /// A broken exchange or a status of 500 and above, neither injected nor held.
    pub fn failed(&self) -> bool {
        (self.error.is_some() || self.status >= 500) && !self.injected && !self.held
    }
}

/// All requests of a load, or of a part of it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    shots: Vec<Shot>,
    skipped: u64,
}

impl Tally {
    /// Of these requests. `skipped`: not sent because too many were in flight.
    pub fn of(shots: &[Shot], skipped: u64) -> Self {
        let mut shots = shots.to_vec();
        shots.sort_by_key(|shot| shot.at);
        Self { shots, skipped }
    }

    /// Of several loads that began together. Users of different loads are different people.
    pub fn of_all(tallies: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for tally in tallies {
            let known = all.shots.iter().map(|shot| shot.user + 1).max().unwrap_or(0);
            all.shots.extend(tally.shots.into_iter().map(|shot| Shot { user: known + shot.user, ..shot }));
            all.skipped += tally.skipped;
        }
        all.shots.sort_by_key(|shot| shot.at);
        all
    }

    /// Every request, in the order of sending.
    pub fn shots(&self) -> &[Shot] {
        &self.shots
    }

    /// Only those that the condition holds for.
    #[must_use]
    pub fn only(&self, condition: impl Fn(&Shot) -> bool) -> Self {
        Self { shots: self.shots.iter().filter(|shot| condition(shot)).cloned().collect(), skipped: 0 }
    }

    /// Number of requests.
    pub fn requests(&self) -> usize {
        self.shots.len()
    }

    /// Number of failed ones, injected errors apart.
    pub fn failed(&self) -> usize {
        self.shots.iter().filter(|shot| shot.failed()).count()
    }

    /// Number of requests that failed because a fault was asked for.
    pub fn injected(&self) -> usize {
        self.shots.iter().filter(|shot| shot.injected).count()
    }

    /// Those that, on purpose, no version answered.
    #[must_use]
    pub fn held(&self) -> Self {
        self.only(|shot| shot.held)
    }

    /// From the sending of the first to the sending of the last; zero without requests.
    pub fn span(&self) -> Duration {
        let ends = self.shots.first().zip(self.shots.last());
        ends.map_or(Duration::ZERO, |(first, last)| last.at.saturating_sub(first.at))
    }

    /// Requests that were due but not sent, because the target was too slow.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Requests by the version that answered.
    pub fn versions(&self) -> BTreeMap<String, usize> {
        count(self.shots.iter().filter_map(|shot| shot.version.as_deref().map(str::to_owned)))
    }

    /// Requests that this version answered.
    pub fn of_version(&self, version: &str) -> usize {
        self.shots.iter().filter(|shot| shot.version.as_deref() == Some(version)).count()
    }

    /// Share of the answered requests that this version answered, percent.
    pub fn share(&self, version: &str) -> f64 {
        let answered = self.shots.iter().filter(|shot| shot.version.is_some()).count();
        if answered == 0 { 0.0 } else { self.of_version(version) as f64 * 100.0 / answered as f64 }
    }

    /// Requests by status; 0: no reply.
    pub fn statuses(&self) -> BTreeMap<u16, usize> {
        count(self.shots.iter().map(|shot| shot.status))
    }

    /// What failed, by reason.
    pub fn errors(&self) -> BTreeMap<String, usize> {
        let failed = self.shots.iter().filter(|shot| shot.failed());
        count(failed.map(|shot| shot.error.as_deref().map_or_else(|| format!("status {}", shot.status), str::to_owned)))
    }

    /// The versions each user met, in order, repetitions left out.
    pub fn journeys(&self) -> BTreeMap<usize, Vec<Arc<str>>> {
        let mut journeys: BTreeMap<usize, Vec<Arc<str>>> = BTreeMap::new();
        for shot in &self.shots {
            if let Some(version) = &shot.version {
                let journey = journeys.entry(shot.user).or_default();
                if journey.last() != Some(version) {
                    journey.push(Arc::clone(version));
                }
            }
        }
        journeys
    }

    /// Users who changed version more often than allowed.
    pub fn flips(&self, allowed: usize) -> usize {
        self.journeys().values().filter(|journey| journey.len() > allowed + 1).count()
    }

    /// Users who met this version.
    pub fn users_of(&self, version: &str) -> usize {
        self.journeys().values().filter(|journey| journey.iter().any(|met| &**met == version)).count()
    }

    /// The latency that this share of requests (percent) stayed within; zero without requests.
    pub fn latency(&self, percentile: f64) -> Duration {
        let mut all: Vec<Duration> = self.shots.iter().map(|shot| shot.latency).collect();
        all.sort_unstable();
        let rank = (percentile / 100.0 * all.len() as f64).ceil() as usize;
        all.get(rank.clamp(1, all.len().max(1)) - 1).copied().unwrap_or_default()
    }

    /// One line with all that matters, for messages of failed tests.
    pub fn summary(&self) -> String {
        format!(
            "{} requests, {} failed {:?}, {} injected, {} skipped, versions {:?}, statuses {:?}, p50 {:?}, p99 {:?}",
            self.requests(),
            self.failed(),
            self.errors(),
            self.injected(),
            self.skipped,
            self.versions(),
            self.statuses(),
            self.latency(50.0),
            self.latency(99.0),
        )
    }
}

fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    keys.fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(key).or_default() += 1;
        counts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(at: u64, user: usize, version: &str, status: u16) -> Shot {
        let at = Duration::from_millis(at);
        Shot { at, user, version: Some(Arc::from(version)), status, latency: at, ..Shot::default() }
    }

    #[test]
    fn flips_are_changes_beyond_the_allowed_ones_in_order_of_sending() {
        let shots = [shot(3, 1, "v1", 200), shot(1, 1, "v1", 200), shot(2, 1, "v2", 200), shot(4, 2, "v1", 200), shot(5, 2, "v2", 200)];
        let tally = Tally::of(&shots, 0);
        assert_eq!(tally.flips(0), 2);
        assert_eq!(tally.flips(1), 1);
        assert_eq!(tally.flips(2), 0);
        assert_eq!(tally.users_of("v2"), 2);
    }

    #[test]
    fn injected_errors_are_not_failures() {
        let injected = Shot { injected: true, ..shot(1, 1, "v2", 500) };
        let tally = Tally::of(&[injected, shot(2, 1, "v1", 503), shot(3, 2, "v1", 404)], 0);
        assert_eq!((tally.failed(), tally.injected(), tally.requests()), (1, 1, 3));
        assert_eq!(tally.share("v1"), 200.0 / 3.0);
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let shots: Vec<Shot> = (1..=100).map(|ms| shot(ms, 0, "v1", 200)).collect();
        let tally = Tally::of(&shots, 0);
        assert_eq!(tally.latency(50.0), Duration::from_millis(50));
        assert_eq!(tally.latency(99.0), Duration::from_millis(99));
        assert_eq!(tally.latency(100.0), Duration::from_millis(100));
        assert_eq!(Tally::default().latency(50.0), Duration::ZERO);
    }
}
