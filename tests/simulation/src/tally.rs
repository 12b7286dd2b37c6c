//! What came of the runs of one scenario.

/// One decision: when, if at all, and what it cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Decided {
    /// Seconds after the start.
    pub(crate) at: Option<u32>,
    /// Failures served by the candidate until the abort took effect, or in all.
    pub(crate) bad: u32,
}

/// One run, by who decides.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) recipe: Decided,
    pub(crate) independent: Decided,
    pub(crate) minute: Decided,
    /// Looked at for an hour.
    pub(crate) five_minutes: Decided,
}

/// All runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    outcomes: Vec<Outcome>,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    pub(crate) fn with(mut self, other: Self) -> Self {
        self.outcomes.extend(other.outcomes);
        self
    }

    pub(crate) fn runs(&self) -> u64 {
        self.outcomes.len() as u64
    }

    pub(crate) fn of(&self, who: impl Fn(&Outcome) -> Decided) -> Figures {
        let mut figures = Figures::default();
        for decided in self.outcomes.iter().map(who) {
            figures.bad.push(decided.bad);
            figures.times.extend(decided.at);
        }
        figures.bad.sort_unstable();
        figures.times.sort_unstable();
        figures
    }
}

/// Decisions of one kind.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    bad: Vec<u32>,
    times: Vec<u32>,
}

impl Figures {
    /// Runs that were aborted.
    pub(crate) fn aborted(&self) -> u64 {
        self.times.len() as u64
    }

    /// Share of runs that were aborted.
    pub(crate) fn share(&self) -> f64 {
        self.times.len() as f64 / self.bad.len().max(1) as f64
    }

    /// Failures served on average.
    pub(crate) fn mean_bad(&self) -> f64 {
        self.bad.iter().map(|bad| f64::from(*bad)).sum::<f64>() / self.bad.len().max(1) as f64
    }

    /// 19 of 20 runs served at most so many.
    pub(crate) fn high_bad(&self) -> u32 {
        self.bad.get(self.bad.len() * 95 / 100).copied().unwrap_or(0)
    }

    /// Seconds until half of those that were aborted were.
    pub(crate) fn median(&self) -> Option<u32> {
        self.times.get(self.times.len() / 2).copied()
    }
}
