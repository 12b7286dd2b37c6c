//! Strategies: fields that do nothing with them, and instances that are ready too early.

use super::Lint;
use crate::plan::{Backend, Role, Scale, Step, Strategy};
use shunt_filter_core::Weight;

impl Lint<'_> {
    pub(super) fn strategy(&mut self) {
        let shrinks = |step: &Step| matches!(step, Step::Scale(Scale { role: Role::Stable, share }) if *share < Weight::ALL);
        // Recreate holds everybody until the one or the other is there again.
        let gives_up = self.plan.strategy != Strategy::Recreate && self.plan.steps.iter().any(shrinks);
        if self.origin.has("spec.onAbort") && !gives_up {
            let message = "does nothing: stable keeps all its instances with this strategy, so an abort moves everybody at once; remove it";
            self.warn("spec.onAbort", message);
        }
        if self.origin.has("spec.rollbackWindow") && self.plan.strategy == Strategy::Recreate {
            self.warn("spec.rollbackWindow", "does nothing: with recreate the way back is a recreate too; remove it");
        }
        if self.plan.strategy == Strategy::RollingUpdate {
            self.probes();
        }
    }

    /// A rolling update goes on with whatever counts as ready.
    fn probes(&mut self) {
        for (index, version) in self.plan.versions.iter().enumerate() {
            if matches!(&version.backend, Backend::Command(command) if command.probe.is_none()) {
                let message = "has no probe, so an instance is ready as soon as it accepts connections, and the update goes on with instances that may not answer yet: write probe: {path: /readyz}";
                self.warn(format!("spec.versions[{index}].command"), message);
            }
        }
    }
}
