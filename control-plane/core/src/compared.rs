//! Whom the analysis compares now, and where their keys lie: one rule for what runs and for what is foreseen.

use std::borrow::Cow;

use shunt_filter_core::policy::Range;
use shunt_filter_core::weight::POINTS;
use shunt_filter_core::{BaselineName, VersionName, Weight};

use crate::analysis::Arms;
use crate::ranges::reshape;
use crate::state::{Run, State};

/// Two versions of which one is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared<'s> {
    candidate: &'s VersionName,
    stable: &'s VersionName,
    ranges: Cow<'s, [Range]>,
}

impl<'s> Compared<'s> {
    /// The run's candidate while users are on it, or the version just promoted while the old one is kept; none: no user is exposed.
    pub fn of(state: &'s State) -> Option<Self> {
        match (&state.run, &state.previous) {
            (Some(run), _) if run.is_judged() => Some(Self::in_run(state, run)),
            (None, Some(previous)) => {
                let everybody = Range { from: 0, to: POINTS, version: state.stable.clone() };
                Some(Self { candidate: &state.stable, stable: &previous.version, ranges: Cow::Owned(vec![everybody]) })
            }
            (Some(_) | None, _) => None,
        }
    }

    fn in_run(state: &'s State, run: &'s Run) -> Self {
        let taking_part = |baseline: &&VersionName| run.ranges.iter().any(|range| range.version == **baseline);
        match run.baseline.as_ref().map(BaselineName::version).filter(taking_part) {
            Some(baseline) => {
                Self { candidate: &run.candidate, stable: baseline, ranges: Cow::Owned(beside_baseline(state, run, baseline)) }
            }
            None => Self { candidate: &run.candidate, stable: &state.stable, ranges: Cow::Borrowed(&run.ranges) },
        }
    }

    /// The one that is judged.
    pub fn candidate(&self) -> &VersionName {
        self.candidate
    }

    /// The one that it is compared with.
    pub fn stable(&self) -> &VersionName {
        self.stable
    }

    /// For the analyst.
    pub fn arms(&self) -> Arms<'_> {
        Arms { candidate: self.candidate, stable: self.stable, ranges: &self.ranges }
    }
}

/// With an experiment's baseline: everything that the two do not have is stable's by name, so that no other user counts as the baseline's.
fn beside_baseline(state: &State, run: &Run, baseline: &VersionName) -> Vec<Range> {
    let weight = |version: &VersionName| {
        let own = run.ranges.iter().filter(|range| range.version == *version);
        Weight::ppm(own.map(|range| range.to.saturating_sub(range.from)).fold(0, u32::saturating_add))
    };
    let (candidate, other) = (weight(&run.candidate), weight(baseline));
    let rest = Weight::ppm(POINTS.saturating_sub(candidate.points()).saturating_sub(other.points()));
    reshape(&run.ranges, &[(run.candidate.clone(), candidate), (baseline.clone(), other), (state.stable.clone(), rest)])
}
