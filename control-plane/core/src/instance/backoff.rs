//! How long a crashed process waits before it is started again.

use shunt_spec::time::Span;

/// After the first crash.
const FIRST: Span = Span::millis(250);

/// Never longer.
const LONGEST: Span = Span::seconds(10);

/// Ready for this long, an instance has proved itself: its next crash counts as the first.
pub(super) const STEADY: Span = Span::seconds(10);

/// 250 ms, twice as long each time, at most 10 s.
pub(super) fn backoff(failures: u32) -> Span {
    let doublings = failures.saturating_sub(1).min(16);
    Span(FIRST.0.saturating_mul(1_u64.checked_shl(doublings).unwrap_or(u64::MAX)).min(LONGEST.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(1, 250)]
    #[test_case(2, 500)]
    #[test_case(3, 1_000)]
    #[test_case(6, 8_000)]
    #[test_case(7, 10_000)]
    #[test_case(u32::MAX, 10_000)]
    fn grows_and_ends(failures: u32, millis: u64) {
        assert_eq!(backoff(failures), Span::millis(millis));
    }
}
