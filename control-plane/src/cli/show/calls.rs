//! Gates and hooks, and what came of each.

use shunt_core::call::{CallState, CallView};
use shunt_spec::Time;

use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;
use crate::cli::text::{count, span};

/// One line each, oldest first.
pub(crate) fn rows(calls: &[CallView], paint: Paint, now: Time) -> Vec<String> {
    let mut table = Table::bare(&[]);
    for call in calls {
        table.row([call.kind.to_string(), tame(&call.name), state(call, paint), paint.dim(&when(call, now)), said(call)]);
    }
    table.lines()
}

/// In a history, where the time stands before it: `hook cleanup after promoted: done, by /usr/bin/cleanup: 3 tables`.
pub(crate) fn sentence(call: &CallView, paint: Paint) -> String {
    let after = call.event.as_ref().map(|event| format!(" after {event}")).unwrap_or_default();
    let said = Some(said(call)).filter(|text| !text.is_empty()).map(|text| format!(", {text}")).unwrap_or_default();
    format!("{} {}{after}: {}{said}", call.kind, tame(&call.name), state(call, paint))
}

fn state(call: &CallView, paint: Paint) -> String {
    let text = call.state.to_string();
    match call.state {
        CallState::Yes | CallState::Done => paint.good(&text),
        CallState::Waiting => paint.busy(&text),
        CallState::No | CallState::Failed => paint.bad(&text),
        CallState::Skipped | CallState::Ended => paint.dim(&text),
    }
}

fn when(call: &CallView, now: Time) -> String {
    match (call.state, call.next) {
        (CallState::Waiting, Some(next)) if next > now => {
            format!("for {}, again in {}", span(now.since(call.since)), span(next.since(now)))
        }
        (CallState::Waiting, _) => format!("for {}", span(now.since(call.since))),
        _ => format!("{} ago", span(now.since(call.at))),
    }
}

/// Who, how often, and the last words.
fn said(call: &CallView) -> String {
    let by = match (&call.by, call.state) {
        (Some(by), _) => format!("by {}", tame(by)),
        (None, CallState::Ended) => String::new(),
        (None, _) => tame(&call.asks),
    };
    let tries = match call.tries {
        0 | 1 => String::new(),
        tries => format!(" at try {}", count(u64::from(tries))),
    };
    let note = if call.note.is_empty() { String::new() } else { format!(": {}", tame(&call.note)) };
    format!("{by}{tries}{note}").trim_start_matches(": ").to_owned()
}
