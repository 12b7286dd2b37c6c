//! A sequential log-rank test on the first failure (or the first slow request) per slot of the hash space.
//!
//! Slots are dealt to the arms at random, so if the candidate is equal, which arm the next failing slot is in is like drawing from an
//! urn with the slots of both arms that have not failed yet, whatever users do: clusters, bursts, heavy users, any base rate. A slot
//! counts once. Against "equal" stand alternatives in which a slot of the candidate fails θ times as readily:
//!
//! X_θ += k·ln θ − m·ln(1 + π(θ − 1)), π = n_c / (n_c + n_s) before the evaluation, m newly failed slots of which k are the candidate's.
//!
//! E = mean over θ of exp(X_θ) is a non-negative supermartingale that starts at 1 when the candidate is equal, so
//! P(E ever reaches 1/α) <= α (Ville 1939): it may be looked at all the time. With one failure per evaluation it is a martingale
//! (safe log-rank test: ter Schure, Pérez-Ortiz, Ly, Grünwald, arXiv 2011.06931). With several, k is hypergeometric and
//! E[θ^k] <= (1 + π(θ − 1))^m (Hoeffding 1963, theorem 4). Where the candidate may fail ρ times as readily (`tolerance.rs`),
//! π = ρ·n_c / (ρ·n_c + n_s). A mean of e-values is one (Vovk and Wang, arXiv 1912.06116).

/// How much worse a candidate may be, as alternatives: from twice as bad to hopeless.
pub(super) const FAILURES: [f64; 8] = [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Failed slots of the candidate below which it never fails: one or two users are no release.
pub(super) const MIN_FAILED_SLOTS: u64 = 3;

/// The test of one epoch.
#[derive(Debug, Clone)]
pub(super) struct LogRank {
    /// How many times as readily slots of the candidate may fail: ρ.
    ratio: f64,
    /// Slots of the candidate that have not failed yet.
    candidate: u64,
    /// Slots of stable that have not failed yet.
    stable: u64,
    /// Slots of the candidate that failed.
    failed: u64,
    /// The alternatives.
    thetas: [f64; 8],
    /// X_θ, by them.
    logs: [f64; 8],
}

impl LogRank {
    /// With this many slots in each arm, against these alternatives.
    pub(super) fn new(thetas: [f64; 8], candidate: u64, stable: u64) -> Self {
        Self { ratio: 1.0, candidate, stable, failed: 0, thetas, logs: [0.0; 8] }
    }

    /// The same, where slots of the candidate may fail so many times as readily.
    pub(super) fn tolerating(self, ratio: f64) -> Self {
        Self { ratio, ..self }
    }

    /// How many times as readily slots of the candidate may fail.
    pub(super) fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Slots of the candidate that failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// One evaluation: slots that failed since the last, by arm.
    pub(super) fn take(&mut self, candidate: u64, stable: u64) {
        let candidate = candidate.min(self.candidate);
        let stable = stable.min(self.stable);
        let likely = self.ratio * self.candidate as f64;
        let at_risk = likely + self.stable as f64;
        let newly = candidate.saturating_add(stable) as f64;
        if newly == 0.0 {
            return;
        }
        let share = likely / at_risk;
        for (log, theta) in self.logs.iter_mut().zip(self.thetas) {
            *log += candidate as f64 * theta.ln() - newly * (share * (theta - 1.0)).ln_1p();
        }
        self.candidate = self.candidate.saturating_sub(candidate);
        self.stable = self.stable.saturating_sub(stable);
        self.failed = self.failed.saturating_add(candidate);
    }

    /// ln E.
    pub(super) fn ln_e(&self) -> f64 {
        ln_mean_exp(&self.logs)
    }

    /// Slots that leave both arms without a judgement, by arm.
    pub(super) fn leave(&mut self, candidate: u64, stable: u64) {
        self.candidate = self.candidate.saturating_sub(candidate);
        self.stable = self.stable.saturating_sub(stable);
    }

    /// Whether it fails now. `threshold` is 1/α.
    pub(super) fn fails(&self, threshold: f64) -> bool {
        self.failed >= MIN_FAILED_SLOTS && self.ln_e() >= threshold.ln()
    }
}

/// ln of the mean of exp(X), by log-sum-exp: exp(X) itself overflows from about 130 failed slots on.
pub(super) fn ln_mean_exp(logs: &[f64]) -> f64 {
    let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|log| (log - highest).exp()).sum();
    highest + (sum / logs.len() as f64).ln()
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    /// All ways to deal `candidate` of `slots` slots to the candidate, as bit masks.
    fn placements(slots: u32, candidate: u32) -> impl Iterator<Item = u32> {
        (0..1_u32 << slots).filter(move |mask| mask.count_ones() == candidate)
    }

    /// Runs the test over slots 0, 1, 2, … failing in batches of these sizes: E after each evaluation.
    fn path(thetas: [f64; 8], slots: u32, mask: u32, batches: &[u32]) -> Vec<f64> {
        let candidate = mask.count_ones();
        let mut test = LogRank::new(thetas, u64::from(candidate), u64::from(slots - candidate));
        let mut next = 0;
        batches
            .iter()
            .map(|size| {
                let failing = next..next + size;
                next += size;
                let k = failing.filter(|slot| mask & (1 << slot) != 0).count() as u64;
                test.take(k, u64::from(*size) - k);
                test.ln_e().exp()
            })
            .collect()
    }

    const SINGLES: [u32; 12] = [1; 12];

    /// If the candidate is equal, any placement of its slots is as likely as any other; which slots fail, and when, is fixed.
    /// Enumerated, that is no sample: it is the error probability itself.
    #[test]
    fn equal_candidates_fail_as_rarely_as_promised() {
        let sequences: [&[u32]; 7] = [&SINGLES, &[12], &[3, 3, 3, 3], &[1, 4, 1, 2], &[5, 1, 1, 1, 1], &[2, 0, 2, 0, 2], &[1, 1, 7]];
        let mut tight = 0;
        // Those of slow requests (`latency_slots.rs`) are nearer to 1.
        let alternatives = [FAILURES, [1.25, 1.5, 2.0, 3.0, 4.0, 8.0, 16.0, 64.0], [1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 12.0, 50.0]];
        for (candidate, thetas) in (1..12).flat_map(|candidate| alternatives.map(|thetas| (candidate, thetas))) {
            let all: Vec<u32> = placements(12, candidate).collect();
            for batches in sequences {
                let paths: Vec<Vec<f64>> = all.iter().map(|mask| path(thetas, 12, *mask, batches)).collect();
                for evaluation in 0..batches.len() {
                    let mean = paths.iter().map(|path| path[evaluation]).sum::<f64>() / paths.len() as f64;
                    assert!(mean <= 1.0 + 1e-9, "E[E] = {mean} after evaluation {evaluation} of {batches:?}, {candidate} slots");
                    if batches == SINGLES {
                        assert!((mean - 1.0).abs() < 1e-9, "one at a time it is a martingale, but E[E] = {mean}");
                    }
                }
                for threshold in [1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0, 80.0, 200.0] {
                    let reached = paths.iter().filter(|path| path.iter().any(|e| *e >= threshold)).count();
                    let probability = reached as f64 / paths.len() as f64;
                    assert!(
                        probability <= 1.0 / threshold + 1e-12,
                        "P(sup E >= {threshold}) = {probability}, {batches:?}, {candidate} slots"
                    );
                    tight += usize::from(probability > 0.5 / threshold);
                }
            }
        }
        assert!(tight > 20, "the bound was never nearly used up ({tight} times): the test above cannot fail");
    }

    /// Slots of the candidate fail ρ times as readily, exactly what is allowed, one after the other: all ways in which that can go, each
    /// with its probability. Mean of E at the end, and the probability that it ever reached the threshold.
    fn all_ways(test: &LogRank, ratio: f64, (candidate, stable): (u64, u64), highest: f64, threshold: f64) -> (f64, f64) {
        let highest = highest.max(test.ln_e().exp());
        if candidate + stable == 0 {
            return (test.ln_e().exp(), f64::from(u8::from(highest >= threshold)));
        }
        let likely = ratio * candidate as f64;
        let of_candidate = likely / (likely + stable as f64);
        let mut sums = (0.0, 0.0);
        for (probability, k) in [(of_candidate, 1), (1.0 - of_candidate, 0)].into_iter().filter(|(probability, _)| *probability > 0.0) {
            let mut next = test.clone();
            next.take(k, 1 - k);
            let (mean, reached) = all_ways(&next, ratio, (candidate - k, stable - (1 - k)), highest, threshold);
            sums = (sums.0 + probability * mean, sums.1 + probability * reached);
        }
        sums
    }

    #[test]
    fn what_is_allowed_fails_as_rarely_as_promised() {
        let mut tight = 0;
        for ratio in [1.0, 1.5, 3.0] {
            for threshold in [1.5, 3.0, 8.0, 20.0] {
                let test = LogRank::new(FAILURES, 4, 8).tolerating(ratio);
                let (mean, reached) = all_ways(&test, ratio, (4, 8), 0.0, threshold);
                assert!((mean - 1.0).abs() < 1e-9, "E[E] = {mean} with {ratio}x: not a martingale");
                assert!(reached <= 1.0 / threshold + 1e-12, "P(sup E >= {threshold}) = {reached} with {ratio}x");
                tight += usize::from(reached > 0.5 / threshold);
                // The same without the tolerance would fail more often than promised.
                let (mean, _) = all_ways(&LogRank::new(FAILURES, 4, 8), ratio, (4, 8), 0.0, threshold);
                assert!(ratio == 1.0 || mean > 1.05, "a ratio of {ratio} is not noticed: {mean}");
            }
        }
        assert!(tight >= 3, "the bound was never nearly used up ({tight} times)");
    }

    #[test]
    fn one_failure_by_hand() {
        // 2 of 4 slots: π = 1/2, so E = mean of θ / (1 + (θ − 1)/2) = mean of 2θ / (θ + 1).
        let mut test = LogRank::new(FAILURES, 2, 2);
        test.take(1, 0);
        let expected = FAILURES.iter().map(|theta| 2.0 * theta / (theta + 1.0)).sum::<f64>() / 8.0;
        assert!((test.ln_e().exp() - expected).abs() < 1e-12);
        // Then one of stable's 2 of the 3 left: π = 1/3.
        test.take(0, 1);
        let expected = FAILURES.iter().map(|theta| 2.0 * theta / (theta + 1.0) * 3.0 / (theta + 2.0)).sum::<f64>() / 8.0;
        assert!((test.ln_e().exp() - expected).abs() < 1e-12);
    }

    #[test]
    fn large_numbers_neither_overflow_nor_vanish() {
        let mut worse = LogRank::new(FAILURES, 500, 9_500);
        worse.take(500, 0);
        assert!(worse.ln_e() > 1_000.0 && worse.ln_e().is_finite(), "{}", worse.ln_e());
        let mut better = LogRank::new(FAILURES, 500, 9_500);
        better.take(0, 9_500);
        assert!(better.ln_e() < -100.0 && better.ln_e().is_finite(), "{}", better.ln_e());
        better.take(1_000, 1);
        assert!(better.ln_e().is_finite(), "more failures than slots at risk are cut to those");
    }
}
