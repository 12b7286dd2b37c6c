//! What keeps a release from going forward: an operator froze all releases, or it is no time for it. Ways back are never blocked.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use shunt_spec::plan::{Plan, Window};
use shunt_spec::time::Time;

use crate::observation::{Freeze, Observation};
use crate::state::Run;

/// Why nothing goes forward now; none: it may. A run back to an older version is never blocked.
pub fn blocked(plan: &Plan, run: Option<&Run>, seen: &Observation) -> Option<String> {
    if run.is_some_and(|run| run.returning) {
        return None;
    }
    frozen(seen).or_else(|| closed(plan, seen.now))
}

/// The sentence of a freeze; no command overrides it, only its end.
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
    let next = opens(plan, now).map(|opening| format!(" until {} (in {})", opening.local, opening.at.since(now).text()));
    Some(format!("outside of its windows{}; `shunt promote` goes on all the same", next.unwrap_or_default()))
}

/// When a window opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    /// The moment.
    pub(crate) at: Time,
    /// The same in the window's own zone, for people.
    local: String,
}

/// The next opening; none: one is open, or there are none.
pub(crate) fn opens(plan: &Plan, now: Time) -> Option<Opening> {
    if plan.windows.iter().any(|window| open(window, now)) {
        return None;
    }
    plan.windows.iter().filter_map(|window| next_opening(window, now)).min_by_key(|opening| opening.at)
}

/// The first opening after `now`, which lies within eight days: a window has at least one day of the week.
fn next_opening(window: &Window, now: Time) -> Option<Opening> {
    let zone = TimeZone::get(&window.time_zone).ok()?;
    let today = Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?.to_zoned(zone.clone()).date();
    let (hour, minute) = (i8::try_from(window.from_minute.checked_div(60)?).ok()?, i8::try_from(window.from_minute.checked_rem(60)?).ok()?);
    (0..=8).find_map(|days: i64| {
        let day = today.checked_add(days.days()).ok()?;
        let opened = u8::try_from(day.weekday().to_monday_one_offset()).is_ok_and(|day| window.days.contains(&day));
        let at = day.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok().filter(|_| opened)?;
        let millis = Time(u64::try_from(at.timestamp().as_millisecond()).ok()?);
        let local = format!("{} {}", at.strftime("%a %Y-%m-%d %H:%M"), window.time_zone);
        (millis > now).then_some(Opening { at: millis, local })
    })
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

    #[test_case("2026-11-20T08:00:00+01:00", "2026-11-20T09:00:00+01:00"; "the same day")]
    #[test_case("2026-11-20T16:00:00+01:00", "2026-11-23T09:00:00+01:00"; "over the weekend")]
    #[test_case("2026-03-27T17:00:00+01:00", "2026-03-30T09:00:00+02:00"; "into summer time")]
    fn next(at: &str, expected: &str) {
        let window = Window { days: vec![1, 2, 3, 4, 5], from_minute: 540, to_minute: 960, time_zone: "Europe/Vienna".to_owned() };
        let time = |text: &str| Time(u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap());
        let opening = next_opening(&window, time(at)).unwrap();
        assert_eq!(opening.at, time(expected));
        assert!(opening.local.ends_with("09:00 Europe/Vienna"), "{}", opening.local);
    }
}
