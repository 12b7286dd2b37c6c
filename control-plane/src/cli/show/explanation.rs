//! Why a request goes where it goes.

use shunt_api::explain::{Explanation, Question};
use shunt_filter_core::names::ROUTE_HEADER;

use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;

/// The answer on top, then what led to it.
pub(crate) fn lines(question: &Question, answer: &Explanation, paint: Paint) -> Vec<String> {
    let whom = match (&answer.version, answer.chances.as_slice()) {
        (Some(version), _) => paint.bold(version.as_str()),
        (None, []) => paint.dim("not ours"),
        (None, chances) => {
            let texts: Vec<String> =
                chances.iter().map(|chance| format!("{} {} %", paint.bold(chance.version.as_str()), chance.percent)).collect();
            texts.join(" or ")
        }
    };
    let mut lines = vec![format!("{} {}{} → {whom}", tame(&question.method), tame(&question.host), tame(&question.path))];
    let mut table = Table::bare(&[]);
    let mut fact = |name: &str, text: String| table.row([format!("  {}", paint.dim(name)), text]);
    fact("because", tame(&answer.reason));
    if let Some(id) = &answer.rollout {
        fact("rollout", format!("{id}, policy generation {}", answer.generation));
    }
    if answer.version.is_some() {
        fact(
            "header",
            answer
                .route
                .as_ref()
                .map_or_else(|| "none: the default route gives the same".to_owned(), |route| format!("{ROUTE_HEADER}: {route}")),
        );
    }
    answer.mirror.iter().for_each(|mirror| fact("copy", format!("to {mirror}")));
    answer.set_cookie.iter().for_each(|cookie| fact("cookie", format!("a new id is set: {}", tame(cookie))));
    answer.flags.iter().for_each(|flag| fact("flag", format!("{} = {}: {}", flag.name, flag.version, tame(&flag.reason))));
    answer.notes.iter().for_each(|note| fact("note", tame(note)));
    lines.extend(table.lines());
    lines
}
