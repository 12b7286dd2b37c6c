//! How long requests take as a rule: what counts as slow in the next epoch.

use shunt_filter_core::policy::LatencyThresholds;
use shunt_filter_core::report::LATENCY_BOUNDS_MS;

/// Requests below which a percentile says little.
const MIN_REQUESTS: u64 = 100;

/// p50, p90 and p99 of a histogram of times to response headers by [`LATENCY_BOUNDS_MS`], as of all versions or of stable; a bucket
/// counts as evenly filled. None below 100 requests.
///
/// The comparison is sound with any threshold, so nothing depends on how exact these are but how soon it sees a difference. What is
/// slower than the last bound counts as that.
pub fn thresholds(histogram: &[u64]) -> Option<LatencyThresholds> {
    let total = histogram.iter().copied().fold(0, u64::saturating_add);
    if total < MIN_REQUESTS {
        return None;
    }
    let at = |share: f64| quantile_us(histogram, total as f64 * share);
    Some(LatencyThresholds { p50_us: at(0.50), p90_us: at(0.90), p99_us: at(0.99) })
}

/// The time in microseconds that `rank` requests do not exceed.
fn quantile_us(histogram: &[u64], rank: f64) -> u32 {
    let mut below = 0.0;
    let mut lower = 0.0;
    for (count, upper) in histogram.iter().zip(LATENCY_BOUNDS_MS) {
        let (count, upper) = (*count as f64, f64::from(upper));
        if count > 0.0 && below + count >= rank {
            return ((lower + (upper - lower) * (rank - below) / count) * 1_000.0).round() as u32;
        }
        (below, lower) = (below + count, upper);
    }
    (lower * 1_000.0) as u32
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;
    use test_case::test_case;

    fn histogram(counts: &[(u32, u64)]) -> Vec<u64> {
        let mut histogram = vec![0; LATENCY_BOUNDS_MS.len() + 1];
        for (bound, count) in counts {
            histogram[LATENCY_BOUNDS_MS.iter().position(|b| b == bound).unwrap_or(LATENCY_BOUNDS_MS.len())] += count;
        }
        histogram
    }

    #[test_case(&[(10, 99)], None; "too few")]
    #[test_case(&[(10, 100)], Some((7_500, 9_500, 9_950)); "evenly within its bucket, 5 to 10 ms")]
    #[test_case(&[(10, 900), (50, 90), (200, 10)], Some((7_778, 10_000, 50_000)); "a bound reached exactly")]
    #[test_case(&[(10, 500), (0, 500)], Some((10_000, 10_000_000, 10_000_000)); "slower than the last bound")]
    #[test_case(&[], None; "none at all")]
    fn percentiles(counts: &[(u32, u64)], expected: Option<(u32, u32, u32)>) {
        let made = thresholds(&histogram(counts)).map(|t| (t.p50_us, t.p90_us, t.p99_us));
        assert_eq!(made, expected);
    }
}
