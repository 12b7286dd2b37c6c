//! Ways back, and when there is a way forward: what is kept warm, how an abort gives keys back, windows.

use super::Compiler;
use crate::mesh_policy::Bound;
use crate::plan::{Strategy, Window};
use crate::rollout::window::windows;
use crate::time::Span;

/// How long the old version stays warm, when the manifest does not say it.
const KEEP_OLD: Span = Span::seconds(1_800);

impl Compiler<'_> {
    /// `stops_old`: the strategy, where it stops old instances on the way, so that nothing is left to keep.
    pub(super) fn keep_old(&mut self, stops_old: Option<Strategy>) -> Span {
        let (min, max) = (self.limits.min_keep_old, self.limits.max_keep_old);
        if let Some(strategy) = stops_old {
            return self.nothing_kept(strategy, min);
        }
        let bounds = [Bound::AtLeast(min, "spec.limits.minKeepOld"), Bound::AtMost(max, "spec.limits.maxKeepOld")];
        let values = [self.spec.keep_old, self.defaults.keep_old];
        self.settle.bounded("keepOld", values, KEEP_OLD, &bounds, &mut self.problems)
    }

    fn nothing_kept(&mut self, strategy: Strategy, min: Option<Span>) -> Span {
        let name = match strategy {
            Strategy::Recreate => "recreate",
            Strategy::RollingUpdate => "rollingUpdate",
            Strategy::BlueGreen | Strategy::Canary | Strategy::AbTest | Strategy::Shadow => "the strategy",
        };
        if let Some(span) = self.spec.keep_old.filter(|span| *span > Span::default()) {
            let message = format!(
                "{span} is not possible: {name} stops the old instances on the way, so nothing is left to keep warm; remove it, or write blueGreen or canary"
            );
            self.problems.add("spec.keepOld", message);
        }
        if let Some(min) = min.filter(|min| *min > Span::default()) {
            let message = format!(
                "{name} keeps nothing warm, which is looser than MeshPolicy spec.limits.minKeepOld ({min}): write blueGreen or canary"
            );
            self.problems.add("spec.strategy", message);
        }
        self.settle.built_in("spec.keepOld");
        Span::default()
    }

    /// How long an abort may keep keys on the candidate; zero: as long as stable takes.
    pub(super) fn abort_over(&mut self) -> Span {
        let Some(spec) = &self.spec.on_abort else { return Span::default() };
        if spec.over.is_none_or(|over| over == Span::default()) {
            self.problems.add(
                "spec.onAbort.over",
                "is missing: write how long an abort may keep users on the candidate while stable's instances come back, for example 5m; or remove onAbort",
            );
        }
        spec.over.unwrap_or_default()
    }

    pub(super) fn windows(&mut self) -> Vec<Window> {
        windows(self.spec.windows.as_deref(), &mut self.problems)
    }
}
