//! A highest percentile of the time to response headers, judged by the candidate's own latency buckets of the epoch.
//!
//! "p99 at most 300 ms" says that at most 1 % are slower than 300 ms, so slower requests are counted and judged like failures
//! (`counters`). Where the limit is an upper bound of a bucket the count is exact. Elsewhere the bucket that holds the limit is taken
//! as evenly filled, the usual reading of a histogram, and the text says `~`. What is slower than the last bound has no upper one: a
//! limit above it passes as long as those few may be slower anyway, and otherwise cannot be judged.

use shunt_filter_core::report::{Counters, LATENCY_BOUNDS_MS};
use shunt_spec::time::Span;

use super::evaluation::{Evaluation, exceeds};
use super::number;
use super::{Outcome, Verdict};

/// The verdict; `percentile` in percent.
pub(super) fn judge(evaluation: &Evaluation<'_>, percentile: f64, max: Span) -> Verdict {
    let samples = total(evaluation.candidate);
    let limit = max.0 as f64;
    let slower = slower_than(evaluation.candidate, limit);
    let beyond = exceeds(slower.count, 100.0 - percentile, samples, evaluation.metric.min_samples);
    let version = evaluation.arms.candidate;
    let p = |counters: &Counters| percentile_text(counters, percentile);
    let about = if slower.exact { "" } else { "~" };
    let value = match p(evaluation.candidate) {
        Some(text) => format!("{text} ({about}{} slower than {max})", number::share(slower.count.round() as u64, samples)),
        None => String::new(),
    };
    let measured = if value.is_empty() { format!("{version} has no times yet") } else { format!("{version} {value}") };
    let (outcome, sentence) = if beyond && !slower.measurable {
        let last = number::millis(last_bound());
        (Outcome::NotApplicable, format!("{measured}: cannot be judged, times above {last} are not told apart"))
    } else if beyond {
        let missing = evaluation.metric.min_samples.saturating_sub(samples);
        let even_if = if missing > 0 { format!(", even if the next {missing} are faster") } else { String::new() };
        (Outcome::Fail, format!("{measured}: above p{percentile} ≤ {max}{even_if}"))
    } else if let Some(missing) = evaluation.missing(samples) {
        (Outcome::NeedMoreData, format!("{measured}; {missing}"))
    } else {
        (Outcome::Pass, format!("{measured}: within p{percentile} ≤ {max}"))
    };
    let baseline = p(evaluation.stable).unwrap_or_default();
    Verdict { baseline, ..evaluation.verdict(outcome, value, samples, format!("p{percentile} ≤ {max}"), &sentence) }
}

/// Requests that have a time.
pub(super) fn total(counters: &Counters) -> u64 {
    counters.latency.iter().copied().fold(0, u64::saturating_add)
}

fn last_bound() -> f64 {
    LATENCY_BOUNDS_MS.last().copied().map_or(0.0, f64::from)
}

/// The buckets with requests: lower bound, upper bound (none: there is no upper one), count. In milliseconds.
fn buckets(counters: &Counters) -> impl Iterator<Item = (f64, Option<f64>, f64)> {
    let lower = std::iter::once(0).chain(LATENCY_BOUNDS_MS).map(f64::from);
    let upper = LATENCY_BOUNDS_MS.into_iter().map(|bound| Some(f64::from(bound))).chain([None]);
    lower.zip(upper).zip(&counters.latency).map(|((lower, upper), count)| (lower, upper, *count as f64))
}

/// How many requests took longer than a limit.
struct Slower {
    count: f64,
    /// Counted, not interpolated.
    exact: bool,
    /// False: the limit lies above the last bound, so that these may or may not be slower.
    measurable: bool,
}

fn slower_than(counters: &Counters, limit: f64) -> Slower {
    let mut slower = Slower { count: 0.0, exact: true, measurable: limit <= last_bound() };
    for (lower, upper, count) in buckets(counters) {
        match upper {
            Some(upper) if upper <= limit => {}
            Some(upper) if lower < limit => {
                slower.count += count * (upper - limit) / (upper - lower);
                slower.exact &= count == 0.0;
            }
            _ => slower.count += count,
        }
    }
    slower
}

/// `p99 ~ 340ms`, evenly within its bucket; `p99 > 10s`; none without requests.
pub(super) fn percentile_text(counters: &Counters, percentile: f64) -> Option<String> {
    Some(match at_percentile(counters, percentile)? {
        Time::About(millis) => format!("p{percentile} ~ {}", number::millis(millis)),
        Time::Above(millis) => format!("p{percentile} > {}", number::millis(millis)),
    })
}

/// A time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Time {
    /// Evenly within its bucket.
    About(f64),
    /// Above the last bound.
    Above(f64),
}

/// What that share of the requests, in percent, did not exceed; none without requests.
pub(super) fn at_percentile(counters: &Counters, percentile: f64) -> Option<Time> {
    let rank = total(counters) as f64 * percentile / 100.0;
    if rank <= 0.0 {
        return None;
    }
    let mut below = 0.0;
    for (lower, upper, count) in buckets(counters) {
        if count > 0.0 && below + count + 1e-6 >= rank {
            return Some(match upper {
                Some(upper) => Time::About(lower + (upper - lower) * (rank - below) / count),
                None => Time::Above(lower),
            });
        }
        below += count;
    }
    None
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;
    use test_case::test_case;

    /// Counts by upper bound in milliseconds; 0: the last bucket.
    fn counters(counts: &[(u32, u64)]) -> Counters {
        let mut latency = vec![0; LATENCY_BOUNDS_MS.len() + 1];
        for (bound, count) in counts {
            let index = LATENCY_BOUNDS_MS.iter().position(|b| b == bound).unwrap_or(LATENCY_BOUNDS_MS.len());
            latency[index] += count;
        }
        Counters { latency, ..Counters::default() }
    }

    #[test_case(&[(300, 90), (500, 10)], 300.0, 10.0, true; "the limit is a bound")]
    #[test_case(&[(300, 90), (500, 10)], 400.0, 5.0, false; "half way through a bucket")]
    #[test_case(&[(300, 90), (500, 10)], 450.0, 2.5, false; "three quarters through")]
    #[test_case(&[(300, 90), (1_000, 10)], 400.0, 10.0, true; "in an empty bucket nothing is guessed")]
    #[test_case(&[(300, 90), (0, 10)], 10_000.0, 10.0, true; "the last bound")]
    #[test_case(&[], 300.0, 0.0, true; "no requests")]
    fn slower(counts: &[(u32, u64)], limit: f64, count: f64, exact: bool) {
        let slower = slower_than(&counters(counts), limit);
        assert!((slower.count - count).abs() < 1e-9 && slower.exact == exact, "{} {}", slower.count, slower.exact);
    }

    #[test_case(&[(300, 100)], 50.0, "p50 ~ 250ms")]
    #[test_case(&[(100, 98), (2_000, 2)], 99.0, "p99 ~ 1500ms")]
    #[test_case(&[(100, 99), (2_000, 1)], 99.0, "p99 ~ 100ms")]
    #[test_case(&[(100, 98), (0, 2)], 99.9, "p99.9 > 10s")]
    fn percentiles(counts: &[(u32, u64)], percentile: f64, text: &str) {
        assert_eq!(percentile_text(&counters(counts), percentile).unwrap(), text);
    }
}
