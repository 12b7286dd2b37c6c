//! Numbers and times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use shunt_filter_core::Weight;
use shunt_spec::{Span, Time};

/// `1,234,567`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1,234 requests`, `1 request`
pub(crate) fn requests(number: u64) -> String {
    if number == 1 { "1 request".to_owned() } else { format!("{} requests", count(number)) }
}

/// ` (0.53 %)`: which share of the whole a part is; nothing while there is no part.
pub(crate) fn share_of(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 { String::new() } else { format!(" ({})", percent(part as f64 * 100.0 / whole as f64)) }
}

/// A measured percentage with two significant digits below 10, one decimal above: `0.053 %`, `4.9 %`, `95.1 %`, `100 %`.
pub(crate) fn percent(percent: f64) -> String {
    let decimals = match percent {
        0.0 => 0,
        p if p >= 99.95 => 0,
        p if p >= 1.0 => 1,
        p if p >= 0.1 => 2,
        p if p >= 0.01 => 3,
        _ => 4,
    };
    format!("{percent:.decimals$} %")
}

/// A weight, exactly as asked.
pub(crate) fn weight(weight: Weight) -> String {
    weight.to_string()
}

/// At most so many characters.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most.saturating_sub(1)).chain(['…']).collect() }
}

/// How long something lasted, in at most two units: `0.4s`, `31s`, `3m12s`, `2h5m`, `3d4h`.
pub(crate) fn span(span: Span) -> String {
    let seconds = span.0 / 1_000;
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{big}{big_unit}") } else { format!("{big}{big_unit}{small}{small_unit}") }
    };
    match seconds {
        0..10 => format!("{}.{}s", seconds, span.0 % 1_000 / 100),
        10..60 => format!("{seconds}s"),
        60..3_600 => two(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// A point in time: `2026-11-21 10:00:15`.
pub(crate) fn time(time: Time, zone: &TimeZone) -> String {
    let timestamp = i64::try_from(time.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    match timestamp {
        Some(timestamp) => timestamp.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => format!("{} ms", time.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([share_of(5, 48), share_of(0, 48), share_of(0, 0)], [" (10.4 %)", "", ""]);
        assert_eq!([0.0, 0.005, 0.0658, 0.53, 4.94, 99.96].map(percent), ["0 %", "0.0050 %", "0.066 %", "0.53 %", "4.9 %", "100 %"]);
    }

    #[test]
    fn spans() {
        let texts = [400, 31_000, 192_000, 180_000, 7_500_000, 273_600_000].map(|millis| span(Span::millis(millis)));
        assert_eq!(texts, ["0.4s", "31s", "3m12s", "3m", "2h5m", "3d4h"]);
    }

    #[test]
    fn times() {
        assert_eq!(time(Time(1_795_255_215_000), &TimeZone::UTC), "2026-11-21 10:00:15");
    }
}
