//! `windows`: when a release may go forward.

use jiff::tz::TimeZoneDatabase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::Window;
use crate::problems::Problems;

/// A time of the week.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowSpec {
    /// `mon` to `sun`, or ranges such as `mon-fri`. Default: every day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<String>>,
    /// First minute, `"09:00"`. Default: `"00:00"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: Option<String>,
    /// Where it closes, `"16:00"`; at most `"24:00"`. Default: `"24:00"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))]
    pub to: Option<String>,
    /// IANA time zone, for example `Europe/Vienna`. Default: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// From Monday, which is 1.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Most windows of one Rollout.
const WINDOWS_MAX: usize = 32;
/// Minutes of a day.
const DAY: u16 = 1_440;

/// All windows, every problem noted.
pub(crate) fn windows(written: Option<&[WindowSpec]>, problems: &mut Problems) -> Vec<Window> {
    let path = "spec.windows";
    match written.map_or(1, <[WindowSpec]>::len) {
        0 => problems.add(path, "is empty, so no release could ever go forward: write at least one, or leave it out"),
        n if n > WINDOWS_MAX => problems.add(path, format!("has {n} windows: at most {WINDOWS_MAX} are allowed")),
        _ => {}
    }
    let written = written.unwrap_or_default().iter().enumerate();
    written.map(|(index, spec)| spec.check(&format!("{path}[{index}]"), problems)).collect()
}

impl WindowSpec {
    fn check(&self, path: &str, problems: &mut Problems) -> Window {
        let mut minute = |field: &str, written: &Option<String>, default: u16| match written.as_deref().map(minute) {
            Some(None) => {
                let text = written.as_deref().unwrap_or_default();
                problems.add(
                    format!("{path}.{field}"),
                    format!("{text:?} is not a time of day: write hours and minutes in quotes, for example \"09:00\""),
                );
                None
            }
            Some(minute) => minute,
            None => Some(default),
        };
        let (from, to) = (minute("from", &self.from, 0), minute("to", &self.to, DAY));
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            let message =
                "is not after from: write a later time; a window over midnight is two windows, one to \"24:00\" and one from \"00:00\"";
            problems.add(format!("{path}.to"), message);
        }
        let time_zone = self.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
        // The database in the program, so that a manifest means the same on every machine.
        if TimeZoneDatabase::bundled().get(&time_zone).is_err() {
            problems.add(
                format!("{path}.timeZone"),
                format!("{time_zone:?} is not a time zone: write a name of the IANA database, for example Europe/Vienna"),
            );
        }
        let days = self.days(path, problems);
        Window { days, from_minute: from.unwrap_or(0), to_minute: to.unwrap_or(DAY), time_zone }
    }

    fn days(&self, path: &str, problems: &mut Problems) -> Vec<u8> {
        let Some(written) = &self.days else { return (1..=7).collect() };
        if written.is_empty() {
            problems.add(format!("{path}.days"), "is empty: write for example [mon-fri], or leave it out for every day");
        }
        let mut days = Vec::new();
        for (index, text) in written.iter().enumerate() {
            match range(text) {
                Some((first, last)) => days.extend(first..=last),
                None => problems.add(
                    format!("{path}.days[{index}]"),
                    format!("{text:?} is not a day or a range of days: write mon, tue, wed, thu, fri, sat, sun, or for example mon-fri"),
                ),
            }
        }
        days.sort_unstable();
        days.dedup();
        days
    }
}

/// `mon-fri` or `sat`; a range does not go over Sunday.
fn range(text: &str) -> Option<(u8, u8)> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name).and_then(|index| u8::try_from(index.saturating_add(1)).ok());
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    (first <= last).then_some((first, last))
}

/// `09:00` or `9:00` in minutes.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        text.parse::<u16>().ok().filter(|_| lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
    };
    let (hours, minutes) = (digits(hours, 1..=2)?, digits(minutes, 2..=2)?);
    let minute = hours.checked_mul(60)?.checked_add(minutes)?;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("00:00", Some(0))]
    #[test_case("09:30", Some(570))]
    #[test_case("24:00", Some(1_440); "the end of the day")]
    #[test_case("24:01", None; "no such time")]
    #[test_case("9:00", Some(540); "an hour of one digit")]
    #[test_case("9:5", None; "a minute of one digit")]
    #[test_case("009:00", None; "three digits")]
    #[test_case("09:60", None; "sixty minutes")]
    #[test_case("noon", None; "a word")]
    fn minutes(text: &str, expected: Option<u16>) {
        assert_eq!(minute(text), expected);
    }

    #[test_case("mon-fri", Some((1, 5)))]
    #[test_case("sun", Some((7, 7)))]
    #[test_case("fri-mon", None; "over Sunday")]
    #[test_case("Monday", None; "whole word")]
    fn days(text: &str, expected: Option<(u8, u8)>) {
        assert_eq!(range(text), expected);
    }

    #[test]
    fn zones_are_those_that_the_machine_knows() {
        let mut problems = Problems::new();
        let spec = |zone: &str| WindowSpec { time_zone: Some(zone.to_owned()), ..WindowSpec::default() };
        windows(Some(&[spec("Europe/Vienna"), spec("America/New_York"), spec("UTC")]), &mut problems);
        assert!(problems.is_empty());
        windows(Some(&[spec("Europe/Nowhere")]), &mut problems);
        assert!(problems.within("spec.windows[0].timeZone"));
    }
}
