//! How verdicts and contests write numbers.

use shunt_spec::time::Span;

/// `5/48 (10.4 %)`; `0/0` when there is nothing to divide by. Small shares get the digits that keep them from looking like none.
pub(crate) fn share(part: u64, of: u64) -> String {
    if of == 0 {
        return format!("{part}/{of}");
    }
    format!("{part}/{of} ({})", percent(part as f64 / of as f64 * 100.0))
}

/// `10.4 %`, `0.04 %`.
pub(crate) fn percent(percent: f64) -> String {
    if percent > 0.0 && percent < 0.095 { format!("{percent:.2} %") } else { format!("{percent:.1} %") }
}

/// E of its logarithm: `0.42`, `612`, `3·10^8`.
pub(crate) fn evidence(ln_e: f64) -> String {
    let log = ln_e / std::f64::consts::LN_10;
    if log < 1.0 {
        format!("{:.2}", ln_e.exp())
    } else if log < 6.0 {
        // Rounded down, so that it never reads as a threshold that was not reached.
        format!("{:.0}", ln_e.exp().floor())
    } else {
        format!("{:.0}·10^{:.0}", 10_f64.powf(log.fract()).floor(), log.floor())
    }
}

/// Milliseconds as people write them: `340ms`, `1s`; with a fraction below ten: `3.7ms`.
pub(crate) fn millis(millis: f64) -> String {
    if millis > 0.0 && millis < 9.95 {
        return format!("{millis:.1}ms");
    }
    Span::millis(millis.round().max(0.0) as u64).to_string()
}

/// Two times in milliseconds that are said to differ, with as many digits as it takes to see it: `4.1 against 3.7 ms`.
pub(crate) fn against(one: f64, other: f64) -> String {
    let written = (0..=3_usize).map(|digits| (format!("{one:.digits$}"), format!("{other:.digits$}")));
    let least = if one.min(other) < 10.0 { 1 } else { 0 };
    let differing = written.enumerate().skip(least).map(|(_, pair)| pair).find(|(one, other)| one != other);
    let (one, other) = differing.unwrap_or_else(|| (format!("{one:.3}"), format!("{other:.3}")));
    format!("{one} against {other} ms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(5, 48, "5/48 (10.4 %)")]
    #[test_case(0, 912, "0/912 (0.0 %)")]
    #[test_case(1, 2_500, "1/2500 (0.04 %)")]
    #[test_case(0, 0, "0/0")]
    fn shares(part: u64, of: u64, text: &str) {
        assert_eq!(share(part, of), text);
    }

    #[test_case(4.1, 3.7, "4.1 against 3.7 ms")]
    #[test_case(4.02, 4.01, "4.02 against 4.01 ms"; "digits until they differ")]
    #[test_case(88.0, 49.0, "88 against 49 ms")]
    #[test_case(49.4, 49.1, "49.4 against 49.1 ms")]
    #[test_case(5.0, 5.0, "5.000 against 5.000 ms"; "they do not")]
    fn differences(one: f64, other: f64, text: &str) {
        assert_eq!(against(one, other), text);
    }

    #[test_case(3.72, "3.7ms")]
    #[test_case(9.97, "10ms")]
    #[test_case(340.4, "340ms")]
    #[test_case(10_000.0, "10s")]
    #[test_case(0.0, "0s")]
    fn times(ms: f64, text: &str) {
        assert_eq!(millis(ms), text);
    }

    #[test_case(0.0, "1.00")]
    #[test_case(-100.0, "0.00")]
    #[test_case(612.4_f64.ln(), "612")]
    #[test_case(399.9_f64.ln(), "399"; "not yet 400")]
    #[test_case(3.2e8_f64.ln(), "3·10^8")]
    #[test_case(2_773.5, "3·10^1204"; "far beyond what a double holds")]
    fn evidences(ln_e: f64, text: &str) {
        assert_eq!(evidence(ln_e), text);
    }
}
