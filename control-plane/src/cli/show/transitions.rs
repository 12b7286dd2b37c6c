//! The journal: one line per transition, and one per gate and hook beside it.

use jiff::tz::TimeZone;
use shunt_api::rollouts::History;
use shunt_core::journal::ReleaseAsked;

use super::{calls, figures};
use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;
use crate::cli::text::time;

/// Oldest first: time, revision, reason; below it what the step that it ended had counted. A gate or hook stands at its last try, or where it was answered, without a revision.
pub(crate) fn lines(history: &History, paint: Paint, zone: &TimeZone) -> Vec<String> {
    let entries = history.entries.iter().map(|entry| {
        let ended = entry.ended.as_ref().and_then(|step| figures::line(step, paint));
        (entry.at, entry.revision.to_string(), tame(&entry.reason), ended)
    });
    let calls = history.calls.iter().map(|call| (call.at, String::new(), calls::sentence(call, paint), None));
    let releases = history.releases.iter().map(|asked| (asked.at, String::new(), tame(&sentence(asked)), None));
    // Sorted stably: what began a transition stands before it.
    let mut all: Vec<_> = releases.chain(entries).chain(calls).collect();
    all.sort_by_key(|(at, ..)| *at);
    let mut table = Table::bare(&[1]);
    for (at, revision, text, ended) in all {
        table.row([paint.dim(&time(at, zone)), revision, text]);
        if let Some(ended) = ended {
            table.row([String::new(), String::new(), ended]);
        }
    }
    table.lines()
}

fn sentence(asked: &ReleaseAsked) -> String {
    let reason = if asked.reason.is_empty() { String::new() } else { format!(": {}", asked.reason) };
    format!("release of {} asked for by {}{reason}", asked.version, asked.by)
}
