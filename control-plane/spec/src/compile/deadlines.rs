//! How long waits may take.

use super::Compiler;
use crate::mesh_policy::Bound;
use crate::plan::{HELD_DEADLINE, Version};
use crate::problems::Problems;
use crate::time::Span;

/// How long waits may take.
pub(super) struct Deadlines {
    pub(super) progress: Span,
    pub(super) drain: Span,
    pub(super) fallback: Span,
    /// Only where requests are held.
    pub(super) held: Option<Span>,
}

impl Compiler<'_> {
    pub(super) fn deadlines(&mut self, versions: &[Version]) -> Deadlines {
        let (spec, defaults, limits) = (self.spec, &self.defaults, &self.limits);
        let progress = [Bound::AtMost(limits.max_progress_deadline, "spec.limits.maxProgressDeadline")];
        let drain = [Bound::AtLeast(limits.min_drain_deadline, "spec.limits.minDrainDeadline")];
        let fallback = [Bound::AtMost(limits.max_fallback_deadline, "spec.limits.maxFallbackDeadline")];
        let problems = &mut self.problems;
        let mut deadlines = Deadlines {
            held: None,
            progress: self.settle.bounded(
                "progressDeadline",
                [spec.progress_deadline, defaults.progress_deadline],
                Span::seconds(600),
                &progress,
                problems,
            ),
            drain: self.settle.bounded(
                "drainDeadline",
                [spec.drain_deadline, defaults.drain_deadline],
                Span::seconds(30),
                &drain,
                problems,
            ),
            fallback: self.settle.bounded(
                "fallbackDeadline",
                [spec.fallback_deadline, defaults.fallback_deadline],
                Span::seconds(60),
                &fallback,
                problems,
            ),
        };
        for (name, value) in [("progressDeadline", deadlines.progress), ("fallbackDeadline", deadlines.fallback)] {
            if value < Span::seconds(1) {
                problems.add(format!("spec.{name}"), format!("{value} is over before proxies can report: write 1s or more"));
            }
        }
        ready_in_time(versions, deadlines.progress, "progressDeadline", problems);
        deadlines.held = self.held(versions, deadlines.progress);
        deadlines
    }

    /// Held requests are failed ones, so this wait is shorter than others.
    fn held(&mut self, versions: &[Version], progress: Span) -> Option<Span> {
        let spec = self.spec.strategy.as_ref()?.recreate.as_ref()?;
        let path = "spec.strategy.recreate.deadline";
        let held = spec.deadline.unwrap_or(HELD_DEADLINE.min(progress));
        match spec.deadline {
            None => self.settle.built_in(path),
            Some(deadline) if deadline < Span::seconds(1) => {
                self.problems
                    .add(path, format!("{deadline} is over before a process can start: write 1s to {progress} (progressDeadline)"));
            }
            Some(deadline) if deadline > progress => {
                self.problems.add(
                    path,
                    format!(
                        "{deadline} is longer than progressDeadline ({progress}), which ends the release first: write 1s to {progress}"
                    ),
                );
            }
            Some(_) => {}
        }
        ready_in_time(versions, held, "strategy.recreate.deadline", &mut self.problems);
        Some(held)
    }
}

/// An instance that must be ready for longer than the release waits never counts.
fn ready_in_time(versions: &[Version], deadline: Span, field: &str, problems: &mut Problems) {
    for (index, version) in versions.iter().enumerate() {
        let Some(min_ready) = version.backend.min_ready() else { continue };
        if min_ready >= deadline {
            let message = format!("{min_ready} is not shorter than {field} ({deadline}), so no release could ever get ready: write less");
            problems.add(format!("spec.versions[{index}].minReady"), message);
        }
    }
}
