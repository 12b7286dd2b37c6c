//! The journal: one line per transition.

use jiff::tz::TimeZone;
use shunt_core::journal::Entry;

use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;
use crate::cli::text::time;

/// Oldest first: time, revision, reason, and whose command it was.
pub(crate) fn lines(entries: &[Entry], paint: Paint, zone: &TimeZone) -> Vec<String> {
    let mut table = Table::bare(&[1]);
    for entry in entries {
        table.row([paint.dim(&time(entry.at, zone)), entry.revision.to_string(), tame(&entry.reason)]);
    }
    table.lines()
}
