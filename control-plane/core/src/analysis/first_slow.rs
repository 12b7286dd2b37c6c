//! A sequential permutation test on one observation per slot: was its first request slow?
//!
//! Slots are dealt to the arms at random, so if the candidate is equal, then of the a slots that an evaluation shows for the first time, of
//! which a_c are the candidate's and k are slow, any a_c are as likely to be the candidate's: the number of its slow ones, J, is
//! hypergeometric. Against that stand alternatives in which a slow slot is the candidate's θ times as readily:
//!
//! X_θ += k_c·ln θ − ln E[θ^J], J ~ Hypergeometric(a, a_c, k).
//!
//! exp(X_θ) is a martingale that starts at 1 whatever the size of the evaluations, so P(E ever reaches 1/α) <= α (Ville 1939), and one
//! evaluation that sees everything at once, as after a restart, is as sound as many. Unlike a log-rank test this one gains from slots that
//! are seen and fast, which is what a shift of the median needs: half of all slots are slow anyway.

use super::sequential::ln_mean_exp;

/// How much more readily a slot may be slow, as alternatives. Odds, in effect: half of the slots are slow anyway.
const THETAS: [f64; 8] = [1.3, 1.6, 2.0, 2.5, 3.5, 5.0, 8.0, 16.0];

/// Slots seen for the first time at one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newly {
    /// Of the candidate.
    pub(super) candidate: u64,
    /// Of stable.
    pub(super) stable: u64,
    /// Of the candidate, and slow.
    pub(super) candidate_slow: u64,
    /// Of stable, and slow.
    pub(super) stable_slow: u64,
}

/// The test of one epoch.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstSlow {
    /// X_θ, by [`THETAS`].
    logs: [f64; 8],
    /// Slow slots of the candidate.
    slow: u64,
}

impl FirstSlow {
    /// One evaluation.
    pub(super) fn take(&mut self, newly: Newly) {
        let Newly { candidate, stable, candidate_slow, stable_slow } = newly;
        let slow = candidate_slow.saturating_add(stable_slow);
        if slow == 0 || candidate == 0 || stable == 0 {
            self.slow = self.slow.saturating_add(candidate_slow);
            return;
        }
        let weights = ln_weights(candidate, stable, slow);
        let total = ln_sum(weights.iter().map(|(_, weight)| *weight));
        for (log, theta) in self.logs.iter_mut().zip(THETAS) {
            let ln_theta = theta.ln();
            let expected = ln_sum(weights.iter().map(|(j, weight)| weight + j * ln_theta)) - total;
            *log += candidate_slow as f64 * ln_theta - expected;
        }
        self.slow = self.slow.saturating_add(candidate_slow);
    }

    /// ln E.
    pub(super) fn ln_e(&self) -> f64 {
        ln_mean_exp(&self.logs)
    }

    /// Slow slots of the candidate.
    pub(super) fn slow(&self) -> u64 {
        self.slow
    }
}

/// J and the logarithm of what its probability is proportional to, for every possible J of Hypergeometric(a_c + a_s, a_c, k).
fn ln_weights(candidate: u64, stable: u64, slow: u64) -> Vec<(f64, f64)> {
    let (a, b, k) = (candidate as f64, stable as f64, slow as f64);
    let (lowest, highest) = (slow.saturating_sub(stable), slow.min(candidate));
    let mut weight = 0.0;
    let mut weights = Vec::new();
    for j in lowest..=highest {
        let j = j as f64;
        weights.push((j, weight));
        // P(j + 1) / P(j); 0 at the end, where it is not used.
        weight += ((a - j) * (k - j) / ((j + 1.0) * (b - k + j + 1.0))).ln();
    }
    weights
}

/// ln of the sum of exp.
fn ln_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let highest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    highest + logs.map(|log| (log - highest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    const SLOTS: u32 = 10;

    /// Which slots an evaluation shows for the first time, and which of them are slow, as bit masks.
    type Evaluation = (u32, u32);

    fn path(arm: u32, evaluations: &[Evaluation]) -> Vec<f64> {
        let count = |mask: u32| u64::from(mask.count_ones());
        let mut test = FirstSlow::default();
        let take = |(seen, slow): &Evaluation| {
            test.take(Newly {
                candidate: count(seen & arm),
                stable: count(seen & !arm),
                candidate_slow: count(seen & slow & arm),
                stable_slow: count(seen & slow & !arm),
            });
            test.ln_e().exp()
        };
        evaluations.iter().map(take).collect()
    }

    /// Every placement of the candidate's slots is as likely as any other; which slots are seen and slow, and when, is fixed.
    #[test]
    fn equal_candidates_fail_as_rarely_as_promised() {
        let all = (1 << SLOTS) - 1;
        let schedules: [&[Evaluation]; 5] = [
            &[(all, 0b01_0111_0110)],
            &[(0b11, 0b01), (0b1100, 0b1100), (0b11_0000, 0b10_0000), (0b11_1100_0000, 0b00_1100_0000)],
            &[(0b1_1111, 0b1_0011), (0b11_1110_0000, 0b10_0100_0000)],
            &[(0b111, 0b111), (0b11_1000, 0), (0b11_1100_0000, 0b11_1100_0000)],
            &[(0b1111_1111, 0b11), (0b11_0000_0000, 0b11_0000_0000)],
        ];
        let mut tight = 0;
        for slots in 1..SLOTS {
            let arms: Vec<u32> = (0..1_u32 << SLOTS).filter(|arm| arm.count_ones() == slots).collect();
            for evaluations in schedules {
                let paths: Vec<Vec<f64>> = arms.iter().map(|arm| path(*arm, evaluations)).collect();
                for evaluation in 0..evaluations.len() {
                    let mean = paths.iter().map(|path| path[evaluation]).sum::<f64>() / paths.len() as f64;
                    assert!((mean - 1.0).abs() < 1e-9, "E[E] = {mean} after evaluation {evaluation}, {slots} slots: not a martingale");
                }
                for threshold in [1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 20.0] {
                    let reached = paths.iter().filter(|path| path.iter().any(|e| *e >= threshold)).count();
                    let probability = reached as f64 / paths.len() as f64;
                    assert!(probability <= 1.0 / threshold + 1e-12, "P(sup E >= {threshold}) = {probability}, {slots} slots");
                    tight += usize::from(probability > 0.3 / threshold);
                }
            }
        }
        assert!(tight > 20, "the bound was never nearly used up ({tight} times): the test above cannot fail");
    }

    #[test]
    fn one_look_by_hand() {
        // 1 of 3 slots is the candidate's, 1 is slow: J is 1 with probability 1/3, so E[θ^J] = (2 + θ) / 3.
        let mut test = FirstSlow::default();
        test.take(Newly { candidate: 1, stable: 2, candidate_slow: 1, stable_slow: 0 });
        let expected = THETAS.iter().map(|theta| 3.0 * theta / (2.0 + theta)).sum::<f64>() / 8.0;
        assert!((test.ln_e().exp() - expected).abs() < 1e-12);
    }

    #[test]
    fn large_looks_stay_finite() {
        let mut test = FirstSlow::default();
        test.take(Newly { candidate: 500, stable: 9_500, candidate_slow: 500, stable_slow: 100 });
        assert!(test.ln_e().is_finite() && test.ln_e() > 700.0, "{}", test.ln_e());
        test.take(Newly { candidate: 0, stable: 5, candidate_slow: 0, stable_slow: 5 });
        assert!(test.ln_e().is_finite(), "an evaluation without the candidate says nothing");
    }
}
