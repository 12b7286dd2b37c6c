//! What the analysis says.

use shunt_core::analysis::{Evidence, Outcome, Verdict};
use shunt_core::state::Stage;
use shunt_filter_core::Weight;

use super::World;

/// How the analysis answers while both arms have weight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judge {
    /// Passes.
    Pass,
    /// Says that the candidate is worse.
    Fail,
    /// A fixed limit is broken wherever the candidate answers, also alone.
    Limit,
    /// Never has enough data.
    More,
}

impl World {
    pub(super) fn evidence(&self) -> Evidence {
        let requests = if self.judge == Judge::More { 48 } else { self.requests };
        Evidence { requests, slots: requests.min(40) }
    }

    /// As the platform does it: while the candidate is exposed, and while the old version is kept.
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let (candidate, both) = match (&self.state.run, &self.state.previous) {
            (Some(run), _) if run.stage == Stage::Preparing || run.stage.ending().is_some() => return Vec::new(),
            (Some(run), _) => (&run.candidate, run.weight > Weight::ZERO && run.weight < Weight::ALL),
            (None, Some(_)) => (&self.state.stable, false),
            (None, None) => return Vec::new(),
        };
        let (outcome, message) = match self.judge {
            Judge::Limit => (Outcome::Fail, format!("{candidate} failed 30/100 (30 %): below 99 % success")),
            _ if !both => (Outcome::NotApplicable, "one arm has no weight".to_owned()),
            Judge::Pass if self.requests < 100 => (Outcome::NeedMoreData, format!("errors: needs {} more requests", 100 - self.requests)),
            Judge::Pass => (Outcome::Pass, "no worse than stable".to_owned()),
            Judge::Fail => (Outcome::Fail, format!("{candidate} failed 5/48 (10.4 %), {} 0/912", self.state.stable)),
            Judge::More => (Outcome::NeedMoreData, "errors: needs 52 more requests".to_owned()),
        };
        vec![Verdict {
            metric: "errors".to_owned(),
            outcome,
            value: String::new(),
            baseline: String::new(),
            samples: 0,
            threshold: String::new(),
            message,
        }]
    }
}
