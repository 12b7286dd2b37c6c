//! What people and programs are shown of all this.

use shunt_api::{Notice, RolloutNow, Severity};
use shunt_core::State;
use shunt_core::isolation::Standing;
use shunt_core::observation::Observation;
use shunt_core::status::view;
use shunt_spec::Time;

use super::Reconciler;
use crate::cadence::is_busy;
use crate::platform::Stored;
use crate::show::warnings;

impl Reconciler {
    pub(super) fn show_rollout(&mut self, stored: &Stored, state: &State, seen: &Observation) {
        let id = &stored.plan.id;
        let mut view = view(&stored.plan, state, seen);
        if let Standing::Rejected(rejected) = self.publisher.standing(id) {
            view.reject(rejected);
        }
        for version in &mut view.versions {
            version.instances = self.on.instance_views(id, &version.name);
        }
        view.calls = self.integrations.log.views(stored, state);
        view.warnings.extend(self.recurrence.fault(id).map(ToString::to_string));
        view.warnings.extend(warnings(id, self.on.problems()));
        view.warnings.extend(self.rollouts.conflicted().get(id).map(|conflicted| format!("manifest refused: {}", conflicted.reason)));
        view.warnings.extend(self.on.missing(id));
        view.warnings.extend(self.rollouts.failure(id).filter(|_| self.on.trouble().is_none()));
        view.warnings.extend(self.notices().into_iter().map(|notice| notice.message));
        view.warnings.extend(self.publisher.refused().map(str::to_owned));
        view.warnings.extend(self.integrations.outbox.warnings(id));
        // At rest nothing waits for them; `shunt proxies` shows them.
        view.warnings.extend(self.silence.clone().filter(|_| is_busy(stored)));
        view.warnings.extend(self.disbelieved.clone());
        self.show.rollout(RolloutNow { view, plan: (*stored.plan).clone(), state: state.clone() });
    }

    /// What an operator should know about the control plane as a whole.
    fn notices(&self) -> Vec<Notice> {
        let folder = self.on.notice().map(|message| Notice { severity: Severity::Warning, message: message.to_owned() });
        let disk = self.on.trouble().map(|error| {
            let behind = match self.rollouts.unrecorded() {
                0 => String::new(),
                1 => "; 1 transition is not recorded yet".to_owned(),
                number => format!("; {number} transitions are not recorded yet"),
            };
            let message = format!(
                "the store cannot be written ({error}): no release goes forward or begins, an abort still works{behind}; free space on the disk \
                 of --data"
            );
            Notice { severity: Severity::NotReady, message }
        });
        disk.into_iter().chain(self.hold.notice()).chain(folder).collect()
    }

    /// Hands on to the API, and to those who wait, what there is now.
    pub(super) fn present(&mut self, now: Time) {
        self.show.rollouts(self.rollouts.conflicted(), self.on.problems(), now);
        if self.proxies.views_are_due(now) {
            self.show.proxies(self.proxies.views(now));
        }
        self.show.problems(self.on.problems());
        self.show.freeze(&self.freeze);
        self.show.notices(self.notices());
        self.show.ready(self.publisher.aggregator().is_live());
        self.edits.undo(&mut self.on, &self.rollouts);
        self.edits.answer_due(&self.on, &self.rollouts, now);
    }
}
