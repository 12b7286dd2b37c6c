//! The sequential multinomial test, draws from an urn: were cells of all versions drawn as blindly as they should?
//!
//! Cells of the hash space are dealt to the versions at random. Whatever makes a cell appear (its first user comes, or reaches a goal),
//! if it has nothing to do with the version then the next one is any of those that have not appeared yet: draws without replacement
//! from an urn with n_i cells of version i. A sequence with c_i draws of version i then has probability
//! P = Π (n_i)_{c_i} / (N)_m (falling factorials), whatever its order. Against that stands a Dirichlet mixture of shares around the
//! true ones, concentration κ (a prior of κ draws), under which it has probability Q = Π Γ(α_i + c_i)/Γ(α_i) · Γ(κ)/Γ(κ + m).
//!
//! E = Q/P is a martingale that starts at 1, so P(E ever reaches 1/α) <= α (Ville 1939). It needs the counts only, no history: any
//! evaluations, also after a restart, give the same number. With replacement this is the sequential multinomial test of Lindon and Malek
//! (arXiv 2011.03567); without, it stays exact when most cells have appeared.

/// What has been drawn of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Draws {
    /// Cells it has.
    pub(super) of: u64,
    /// Those that have appeared.
    pub(super) drawn: u64,
}

/// ln P of a sequence with these draws, if they were blind.
pub(super) fn ln_blind(draws: &[Draws]) -> f64 {
    let parts: f64 = draws.iter().map(|draws| ln_falling(draws.of as f64, draws.drawn as f64)).sum();
    parts - ln_falling(total(draws, |draws| draws.of), total(draws, |draws| draws.drawn))
}

/// ln Q of a sequence with these draws, if shares are spread around the true ones with this concentration.
pub(super) fn ln_spread(draws: &[Draws], concentration: f64) -> f64 {
    let all = total(draws, |draws| draws.of);
    let rising = |from: f64, by: f64| libm::lgamma(from + by) - libm::lgamma(from);
    let part = |draws: &Draws| match draws.of {
        0 => 0.0,
        of => rising(concentration * of as f64 / all, draws.drawn as f64),
    };
    draws.iter().map(part).sum::<f64>() - rising(concentration, total(draws, |draws| draws.drawn))
}

/// ln of n·(n − 1)·…, k factors; n need not be whole.
pub(super) fn ln_falling(n: f64, k: f64) -> f64 {
    libm::lgamma(n + 1.0) - libm::lgamma((n - k).max(0.0) + 1.0)
}

fn total(draws: &[Draws], of: impl Fn(&Draws) -> u64) -> f64 {
    draws.iter().map(|draws| of(draws) as f64).sum()
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    fn e(draws: &[Draws], concentration: f64) -> f64 {
        (ln_spread(draws, concentration) - ln_blind(draws)).exp()
    }

    /// Cells 0 to 9 appear in this order; each is of version 0, 1 or 2. All placements are as likely.
    #[test]
    fn blind_draws_reach_a_threshold_as_rarely_as_promised() {
        let sizes = [2_usize, 3, 5];
        let mut placements = vec![Vec::new()];
        for _ in 0..10 {
            let longer = |placement: &Vec<usize>| {
                let free = |version: &usize| placement.iter().filter(|of| *of == version).count() < sizes[*version];
                let (placement, free) = (placement.clone(), (0..3).filter(free).collect::<Vec<_>>());
                free.into_iter().map(move |version| placement.iter().copied().chain([version]).collect())
            };
            placements = placements.iter().flat_map(longer).collect();
        }
        assert_eq!(placements.len(), 2_520);
        let mut tight = 0;
        for concentration in [1.0, 5.0, 50.0] {
            let paths: Vec<Vec<f64>> = placements.iter().map(|placement| path(placement, sizes, concentration)).collect();
            for evaluation in 0..10 {
                let mean = paths.iter().map(|path| path[evaluation]).sum::<f64>() / paths.len() as f64;
                assert!(mean <= 1.0 + 1e-9, "E[E] = {mean} after {evaluation}");
            }
            for threshold in [1.1, 1.5, 2.0, 3.0, 5.0, 10.0] {
                let reached = paths.iter().filter(|path| path.iter().any(|e| *e >= threshold)).count();
                let probability = reached as f64 / paths.len() as f64;
                assert!(probability <= 1.0 / threshold, "P(sup E >= {threshold}) = {probability} at {concentration}");
                tight += usize::from(probability > 0.3 / threshold);
            }
        }
        assert!(tight > 5, "the bound was never nearly used up ({tight} times): the test above cannot fail");
    }

    fn path(placement: &[usize], sizes: [usize; 3], concentration: f64) -> Vec<f64> {
        let mut draws = sizes.map(|of| Draws { of: of as u64, drawn: 0 });
        let evaluations = placement.iter().map(|version| {
            draws[*version].drawn += 1;
            e(&draws, concentration)
        });
        evaluations.collect()
    }

    #[test]
    fn by_hand() {
        // The first of 2 + 2 cells is of version 0: P = 1/2, and Q is the same before anything is known.
        let one = [Draws { of: 2, drawn: 1 }, Draws { of: 2, drawn: 0 }];
        assert!((e(&one, 2.0) - 1.0).abs() < 1e-12);
        // The second too: P = 1/2 · 1/3, Q = 1/2 · (1 + 1)/(2 + 1).
        let two = [Draws { of: 2, drawn: 2 }, Draws { of: 2, drawn: 0 }];
        assert!((e(&two, 2.0) - 2.0).abs() < 1e-12);
        assert!((e(&[Draws { of: 0, drawn: 0 }, Draws { of: 4, drawn: 3 }], 2.0) - 1.0).abs() < 1e-12, "one version alone says nothing");
    }
}
