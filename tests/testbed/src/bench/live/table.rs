//! Bad candidates and equal ones, beside their goals.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde::Serialize;

use super::candidate::Goal;
use super::equal::Equal;

/// How a release ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// The abort was recorded then.
    Refused {
        /// See above.
        at: SystemTime,
    },
    /// Everybody is on it.
    Promoted,
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Table {
    rows: Vec<Row>,
    pub(super) equal: Option<Equal>,
}

/// One candidate.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    #[serde(skip)]
    pub(super) goal: Goal,
    pub(super) refused: bool,
    /// From the first request to it until the refusal was recorded.
    pub(super) seconds: f64,
    /// Bad answers that users got.
    pub(super) bad: usize,
    /// Of them those ten seconds after the first request to it and later.
    pub(super) later: usize,
    /// Why.
    pub(super) message: String,
}

impl Row {
    fn met(&self) -> bool {
        match self.goal {
            Goal::Refused => self.refused,
            Goal::Within(seconds) => self.refused && self.seconds <= seconds,
            Goal::Slow(most) => self.refused && self.later <= most,
            Goal::Kept => !self.refused,
        }
    }

    fn goal(&self) -> String {
        match self.goal {
            Goal::Refused => "refused".to_owned(),
            Goal::Within(seconds) => format!("refused within {seconds} s"),
            Goal::Slow(most) => format!("refused, at most {most} bad after 10 s (warm-up)"),
            Goal::Kept => "promoted".to_owned(),
        }
    }
}

impl Table {
    pub(super) fn note(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(super) fn met(&self) -> bool {
        self.rows.iter().all(Row::met) && self.equal.as_ref().is_none_or(|equal| equal.refused.is_empty())
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        if !self.rows.is_empty() {
            let _ = writeln!(text, "\nCandidates on real Envoy, 80 requests/s, 5 % of users, nothing written under analysis\n");
            let _ = writeln!(text, "{:<16} {:<9} {:>8} {:>5} {:>11}  goal", "candidate", "end", "seconds", "bad", "after 10 s");
        }
        for row in &self.rows {
            let end = if row.refused { "refused" } else { "promoted" };
            let verdict = if row.met() { "met" } else { "NOT met" };
            let Row { name, seconds, bad, later, message, .. } = row;
            let _ =
                writeln!(text, "{name:<16} {end:<9} {seconds:>8.1} {bad:>5} {later:>11}  {}: {verdict}\n{:16} {message}", row.goal(), "");
        }
        if let Some(Equal { releases, refused }) = &self.equal {
            let verdict = if refused.is_empty() { "met" } else { "NOT met" };
            let _ = writeln!(text, "\n{releases} releases of equal versions at 5 and 25 %: {} refused, goal 0: {verdict}", refused.len());
            for reason in refused {
                let _ = writeln!(text, "  {reason}");
            }
        }
        text
    }
}
