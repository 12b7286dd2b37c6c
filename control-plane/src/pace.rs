//! How often reports and connections make a pass: a large fleet sends some thousand reports a second, and a pass looks at all that are there.
//!
//! They wait where they arrive. Whatever else comes (commands, manifests, answers of receivers, instances) makes a pass at once.

use std::time::Duration;

use shunt_api::Post;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The longest pause between two passes that reports or connections make.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// The pause is so many times as long as the passes before it took: where they are short, nothing waits.
const PAUSE_PER_PASS: u32 = 10;

/// When the next pass may be.
#[derive(Debug)]
pub(crate) struct Pace {
    due: Instant,
}

impl Pace {
    /// The first one may be now.
    pub(crate) fn new() -> Self {
        Self { due: Instant::now() }
    }

    /// Passes ended that took so long.
    pub(crate) fn passed(&mut self, took: Duration) {
        self.due = Instant::now() + took.saturating_mul(PAUSE_PER_PASS).min(PAUSE_MAX);
    }

    /// Takes up to `limit` of the reports that are there, when they may make a pass; how many. Cancelled, it took none.
    pub(crate) async fn reports(&self, reports: &mut mpsc::Receiver<Post>, posts: &mut Vec<Post>, limit: usize) -> usize {
        sleep_until(self.due).await;
        reports.recv_many(posts, limit).await
    }

    /// When reports and connections may make a pass again.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_wait_as_long_as_passes_are_long_and_no_longer_than_the_limit() {
        let (_sender, mut reports) = mpsc::channel(1);
        let mut pace = Pace::new();
        for (took, pause) in [(1, 10), (1_000, 50)] {
            let begun = Instant::now();
            pace.passed(Duration::from_millis(took));
            assert_eq!(pace.due().duration_since(begun).as_millis(), pause, "{took} ms");
            let mut posts = Vec::new();
            let early = tokio::time::timeout_at(pace.due() - Duration::from_millis(5), pace.reports(&mut reports, &mut posts, 1));
            assert!(early.await.is_err());
        }
    }
}
