//! What keeps a release from going forward: somebody froze all releases, or it is no time for it. Ways back are never blocked.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::observation::{Freeze, Observation};
use crate::plan::{Plan, Window};
use crate::state::Run;
use crate::time::Time;

/// Why nothing goes forward now; none: it may. A run back to an older version is never blocked.
pub fn blocked(plan: &Plan, run: Option<&Run>, seen: &Observation) -> Option<String> {
    if run.is_some_and(|run| run.returning) {
        return None;
    }
    frozen(seen).or_else(|| closed(plan, seen.now))
}

/// The sentence of a freeze; nobody overrides it but who ends it.
pub(super) fn frozen(seen: &Observation) -> Option<String> {
    match &seen.freeze {
        Freeze::Off => None,
        Freeze::On { by, reason, .. } => Some(format!("all releases are frozen by {by}: {reason}; `shunt unfreeze` ends it")),
    }
}

/// The sentence of a moment that lies in no window; none: one is open, or there are none.
pub(crate) fn closed(plan: &Plan, now: Time) -> Option<String> {
    if plan.windows.is_empty() || plan.windows.iter().any(|window| open(window, now)) {
        return None;
    }
    Some("outside of its windows; `shunt promote` goes on all the same".to_owned())
}

/// Whether the moment lies in the window. A zone that the time zone database does not know is never open: the manifest refuses it.
fn open(window: &Window, now: Time) -> bool {
    let millis = i64::try_from(now.0).unwrap_or(i64::MAX);
    let (Ok(at), Ok(zone)) = (Timestamp::from_millisecond(millis), TimeZone::get(&window.time_zone)) else { return false };
    let local = at.to_zoned(zone);
    let day = u8::try_from(local.weekday().to_monday_one_offset()).unwrap_or(0);
    let minute = u16::try_from(i32::from(local.hour()).saturating_mul(60).saturating_add(i32::from(local.minute()))).unwrap_or(0);
    window.days.contains(&day) && (window.from_minute..window.to_minute).contains(&minute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    // 2026-11-20 is a Friday.
    #[test_case("2026-11-20T09:00:00+01:00", true; "Friday morning in Vienna")]
    #[test_case("2026-11-20T15:59:59+01:00", true; "the last minute")]
    #[test_case("2026-11-20T16:00:00+01:00", false; "Friday evening")]
    #[test_case("2026-11-21T10:00:00+01:00", false; "Saturday")]
    #[test_case("2026-07-03T08:30:00+02:00", false; "summer time: half an hour too early")]
    #[test_case("2026-07-03T09:00:00+02:00", true; "summer time")]
    fn office_hours(at: &str, expected: bool) {
        let window = Window { days: vec![1, 2, 3, 4, 5], from_minute: 540, to_minute: 960, time_zone: "Europe/Vienna".to_owned() };
        let at: Timestamp = at.parse().unwrap();
        assert_eq!(open(&window, Time(u64::try_from(at.as_millisecond()).unwrap())), expected);
    }
}
