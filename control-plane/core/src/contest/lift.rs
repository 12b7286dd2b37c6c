//! How much more readily users of one version reach a goal than those of another, with an interval that holds at every evaluation.
//!
//! θ is the ratio of the rates. Each cell that reaches the goal is a draw (`sequential_multinomial.rs`), of the one version with odds
//! θ·(its cells left) : (the other's cells left). Whether there is a difference at all is asked with Q/P: that is exact and asks for
//! nothing but random cells, not for users that come evenly, act at once or alike.
//!
//! The interval holds every θ0 with Q'/P_θ0 < 1/α: a confidence sequence by inverting tests (Robbins 1970; Howard, Ramdas, McAuliffe,
//! Sekhon, arXiv 1810.08240). Q' is the mean of P_θ, ln θ normal around 0. Two things are approximate here: the ratio is taken as the
//! same all the time, and P_θ depends on the order of the draws, which is not recorded; it is taken along the straight line from no
//! draw to all.
//!
//! A ratio of rates per cell is one of rates per user also where users share cells: with λ users per cell and rate r, a cell stays
//! without with probability exp(−λr), so rates stand in the exponents and θ divides them exactly.
//!
//! In percentage points: the rate of both together, from a beta-binomial confidence sequence over the cells met, times what θ says
//! about its parts. A fifth of α goes there.

use super::external;
use super::participants::{Participants, Reached};
use super::sequential_multinomial::{Draws, ln_blind, ln_falling, ln_spread};

/// Standard deviation of ln θ before anything is known: ratios of 0.5 to 2 are likely, 1.2 is nothing special.
const SPREAD: f64 = 0.3;

/// The part of α that the ratio gets; the rate of both together gets the rest.
const RATIO: f64 = 0.8;

/// Widest interval of ln θ.
const WIDEST: f64 = 8.0;

/// What can be said of one version against another in one goal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lift {
    /// Difference as measured: of rates in percentage points, or of what the source measures.
    pub(super) difference: f64,
    /// Its lower end.
    pub(super) low: f64,
    /// Its upper end.
    pub(super) high: f64,
}

impl Lift {
    /// Of `one` against `other`, right with probability 1 − `alpha` at all evaluations together.
    pub(super) fn of(one: &Participants<'_>, other: &Participants<'_>, goal: usize, alpha: f64) -> Self {
        if let Some((figures, of_other)) = one.external(goal).zip(other.external(goal)) {
            return external::lift(figures, of_other, alpha);
        }
        let (a, b) = (reached(one, goal), reached(other, goal));
        let (ratio_low, ratio_high) = ratio(a, b, ln_threshold(alpha));
        let (rate_low, rate_high) = rate(one.met, other.met, a.drawn.saturating_add(b.drawn), ((1.0 - RATIO) * alpha).recip().ln());
        let share = one.met.of as f64 / one.met.of.saturating_add(other.met.of).max(1) as f64;
        // Of users of both together, `rate` reach it; those of `other` do at this rate, those of `one` at θ times it.
        let points = |ratio: f64, rate: f64| (100.0 * (ratio - 1.0) * rate / (1.0 - share + ratio * share)).clamp(-100.0, 100.0);
        let own = |participants: &Participants<'_>| {
            if participants.met.drawn == 0 { 0.0 } else { participants.converted(goal) / participants.users() }
        };
        Self {
            difference: 100.0 * (own(one) - own(other)),
            low: points(ratio_low, rate_low).min(points(ratio_low, rate_high)),
            high: points(ratio_high, rate_low).max(points(ratio_high, rate_high)),
        }
    }
}

/// Whether the ratio of `one` to `other` is above 1: the interval's lower end is, at less cost.
pub(super) fn better(one: &Participants<'_>, other: &Participants<'_>, goal: usize, alpha: f64) -> bool {
    if let Some((figures, of_other)) = one.external(goal).zip(other.external(goal)) {
        return external::lift(figures, of_other, alpha).low > 0.0;
    }
    let (a, b) = (reached(one, goal), reached(other, goal));
    let ahead = a.drawn as f64 * b.of as f64 > b.drawn as f64 * a.of as f64;
    ahead && b.of > 0 && ln_mixture(a, b) - ln_blind(&[a, b]) >= ln_threshold(alpha)
}

fn reached(participants: &Participants<'_>, goal: usize) -> Draws {
    match participants.reached.get(goal) {
        Some(Reached::Cells(cells)) => *cells,
        Some(Reached::External(_)) | None => Draws { of: participants.met.of, drawn: 0 },
    }
}

fn ln_threshold(alpha: f64) -> f64 {
    (RATIO * alpha).recip().ln()
}

/// ln Q: the ratio is spread around 1.
fn ln_mixture(a: Draws, b: Draws) -> f64 {
    let share = a.of as f64 / a.of.saturating_add(b.of) as f64;
    ln_spread(&[a, b], (SPREAD * SPREAD * share * (1.0 - share)).recip())
}

/// The ends of θ that are not excluded at ln 1/α.
fn ratio(a: Draws, b: Draws, ln_threshold: f64) -> (f64, f64) {
    if a.of == 0 || b.of == 0 {
        return ((-WIDEST).exp(), WIDEST.exp());
    }
    let mixture = ln_mean(a, b);
    let excluded = |ln_ratio: f64| mixture - ln_at(a, b, ln_ratio.exp()) >= ln_threshold;
    let best = likeliest(a, b).ln();
    (border(best, -WIDEST, excluded).exp(), border(best, WIDEST, excluded).exp())
}

/// About the ratio that fits best. With rate r per cell a share of exp(−r) is not drawn; half a draw more keeps it finite.
fn likeliest(a: Draws, b: Draws) -> f64 {
    let rate = |draws: Draws| -(-(draws.drawn as f64 + 0.5) / (draws.of as f64 + 1.0)).ln_1p();
    rate(a) / rate(b)
}

/// ln Q': P_θ over all θ, ln θ normal around 0 with [`SPREAD`]. Trapezoids where prior and likelihood together have their weight.
fn ln_mean(a: Draws, b: Draws) -> f64 {
    const POINTS: i32 = 24;
    let draws = a.drawn.saturating_add(b.drawn) as f64 + 1.0;
    let share = (a.drawn as f64 + 0.5) / draws;
    let (prior, likelihood) = ((SPREAD * SPREAD).recip(), draws * share * (1.0 - share));
    let deviation = (prior + likelihood).recip().sqrt();
    let centre = likeliest(a, b).ln() * likelihood / (prior + likelihood);
    let step = deviation * 6.0 / f64::from(POINTS);
    let at = |point: i32| {
        let ln_ratio = centre + f64::from(point) * step;
        ln_at(a, b, ln_ratio.exp()) - 0.5 * prior * ln_ratio * ln_ratio
    };
    let logs: Vec<f64> = (-POINTS..=POINTS).map(at).collect();
    let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|log| (log - highest).exp()).sum();
    highest + (sum * step * (0.5 * prior / std::f64::consts::PI).sqrt()).ln()
}

/// ln P of a sequence with these draws when the ratio is `ratio`.
fn ln_at(a: Draws, b: Draws, ratio: f64) -> f64 {
    let (drawn_a, drawn_b) = (a.drawn as f64, b.drawn as f64);
    let draws = drawn_a + drawn_b;
    if draws == 0.0 {
        return 0.0;
    }
    let per_draw = (ratio * drawn_a + drawn_b) / draws;
    let odds = draws * per_draw.ln() + ln_falling((ratio * a.of as f64 + b.of as f64) / per_draw, draws);
    drawn_a * ratio.ln() + ln_falling(a.of as f64, drawn_a) + ln_falling(b.of as f64, drawn_b) - odds
}

/// The rates of users of both together that are not excluded at ln 1/α: of the cells met a share q reached the goal.
fn rate(a: Draws, b: Draws, reached: u64, ln_threshold: f64) -> (f64, f64) {
    let met = a.drawn.saturating_add(b.drawn) as f64;
    let cells = a.of.saturating_add(b.of) as f64;
    if met == 0.0 {
        return (0.0, 1.0);
    }
    let hits = (reached as f64).min(met);
    let ln_beta = |x: f64, y: f64| libm::lgamma(x) + libm::lgamma(y) - libm::lgamma(x + y);
    let spread = ln_beta(hits + 1.0, met - hits + 1.0);
    let ln_at = |q: f64| hits * q.ln() + (met - hits) * (-q).ln_1p();
    let excluded = |logit: f64| spread - ln_at(logistic(logit)) >= ln_threshold;
    let best = ((hits + 0.5) / (met - hits + 0.5)).ln();
    // Users share cells: a rate per cell met is one per user where there are few.
    let full = met / cells;
    let per_user = |q: f64| if full < 1.0 { (-q * full).ln_1p() / (-full).ln_1p() } else { q };
    (per_user(logistic(border(best, -30.0, excluded))), per_user(logistic(border(best, 30.0, excluded))))
}

fn logistic(x: f64) -> f64 {
    (1.0 + (-x).exp()).recip()
}

/// From `inside` towards `end`: where exclusion begins, or `end`.
fn border(inside: f64, end: f64, excluded: impl Fn(f64) -> bool) -> f64 {
    if !excluded(end) {
        return end;
    }
    let (mut inside, mut outside) = (inside, end);
    for _ in 0..32 {
        let middle = 0.5 * (inside + outside);
        if excluded(middle) {
            outside = middle;
        } else {
            inside = middle;
        }
    }
    outside
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn an_equal_ratio_is_what_the_urn_says() {
        let (a, b) = (Draws { of: 700, drawn: 60 }, Draws { of: 300, drawn: 250 });
        assert!((ln_at(a, b, 1.0) - ln_blind(&[a, b])).abs() < 1e-8);
    }

    #[test]
    fn the_interval_holds_what_was_measured_and_nothing_excludes_everything() {
        for (a, b) in [(0, 0), (0, 5), (5, 0), (40, 40), (900, 100), (1_000, 1_000)] {
            let (a, b) = (Draws { of: 1_000, drawn: a }, Draws { of: 1_000, drawn: b });
            let (low, high) = ratio(a, b, 20_f64.ln());
            assert!(low < high, "{low} to {high}");
            if a.drawn == b.drawn {
                assert!(low < 1.0 && high > 1.0 && (low * high - 1.0).abs() < 1e-3, "{low} to {high} of equal counts");
            }
        }
        let (low, _) = ratio(Draws { of: 50_000, drawn: 600 }, Draws { of: 50_000, drawn: 400 }, 20_f64.ln());
        assert!(low > 1.2 && low < 1.5, "{low}");
    }

    /// Twice as many users of `a` reach the goal; with two users in each cell the cells alone would say 1.9 times.
    #[test]
    fn full_cells_do_not_shrink_the_ratio() {
        let of = 100_000;
        let reached = |rate: f64| Draws { of, drawn: (of as f64 * (1.0 - (-2.0 * rate).exp())) as u64 };
        let (a, b) = (reached(0.2), reached(0.1));
        assert!((likeliest(a, b) - 2.0).abs() < 0.01, "{}", likeliest(a, b));
        let at = |ratio: f64| ln_at(a, b, ratio);
        assert!(at(2.0) > at(1.95) && at(2.0) > at(2.05), "the likelihood says so too");
        let (low, high) = ratio(a, b, 20_f64.ln());
        assert!(low > 1.9 && low < 2.0 && high > 2.0 && high < 2.1, "{low} to {high}");
    }

    #[test]
    fn rates_of_both_together() {
        let half = |drawn| Draws { of: 50_000, drawn };
        let (low, high) = rate(half(2_000), half(2_000), 400, 100_f64.ln());
        assert!(low > 0.07 && low < 0.1 && high > 0.1 && high < 0.13, "{low} to {high}");
        let (low, high) = rate(half(2_000), half(2_000), 0, 100_f64.ln());
        assert!(low < 1e-6 && high > 0.001 && high < 0.01, "no success yet is no proof of none: {low} to {high}");
    }
}
