//! The states of all Rollouts made anew from what proxies run, after the store was lost: looked at first, done when an operator has
//! confirmed each.

use shunt_api::recovery::{RecoveredRollout, Recovery, RecoveryBody};
use shunt_api::{RecoveryRefused, Refusal, Reply};
use shunt_core::State;
use shunt_core::journal::{Entry, Origin};
use shunt_core::observation::Observation;
use shunt_core::recovery::{Recovered, recover};
use shunt_filter_core::RolloutId;
use shunt_spec::Time;

use crate::reconcile::Reconciler;

/// A generation above this was never made by a control plane; it would leave no room to count on.
const GENERATION_MAX: u64 = 1 << 53;

impl Reconciler {
    /// Answers with what follows, or does it.
    pub(crate) async fn recover(&mut self, body: RecoveryBody, by: &str, reply: Reply<Recovery>) {
        let result = self.recovery(body, by).await;
        drop(reply.send(result));
    }

    async fn recovery(&mut self, body: RecoveryBody, by: &str) -> Result<Recovery, Refusal> {
        if !self.hold.can_recover() {
            return Err(RecoveryRefused::Nothing.into());
        }
        let now = (self.clock)();
        let generation = self.highest(&body, now)?;
        let found = self.follows(&body, now)?;
        let rollouts =
            found.iter().map(|(id, found)| RecoveredRollout { id: id.clone(), message: found.sentence.clone() }).collect::<Vec<_>>();
        let answer = Recovery { generation: generation.saturating_add(1), rollouts, done: false };
        if body.confirmed.is_empty() {
            return Ok(answer);
        }
        let missing: Vec<RolloutId> = found.iter().map(|(id, _)| id.clone()).filter(|id| !body.confirmed.contains(id)).collect();
        if !missing.is_empty() {
            return Err(RecoveryRefused::Unconfirmed(missing).into());
        }
        self.record_recovered(found, generation, by, now).await?;
        Ok(Recovery { done: true, ..answer })
    }

    /// The highest generation that any proxy may run: of those that were looked at, and of those that are connected and report.
    fn highest(&self, body: &RecoveryBody, now: Time) -> Result<u64, Refusal> {
        let seen = body.running.iter().map(|running| running.policy.generation).max();
        let Some(seen) = seen.filter(|seen| (1..GENERATION_MAX).contains(seen)) else {
            return Err(RecoveryRefused::NoPolicy.into());
        };
        let connected: Vec<String> =
            self.proxies.presences().into_iter().filter(|status| status.connected).map(|status| status.node).collect();
        let ours = self.publisher.aggregator().generation();
        let reported = self.proxies.ahead(now).into_iter().filter(|(node, _)| connected.contains(node)).map(|(_, reported)| reported);
        Ok(reported.filter(|reported| *reported < GENERATION_MAX).fold(seen.max(ours), u64::max))
    }

    /// What follows for each recorded Rollout.
    fn follows(&self, body: &RecoveryBody, now: Time) -> Result<Vec<(RolloutId, Recovered)>, Refusal> {
        let all = self.rollouts.all().filter(|stored| !stored.plan.gone);
        let each = all.map(|stored| {
            let found = recover(&stored.plan, &body.running, now).map_err(|error| RecoveryRefused::Unclear(error.to_string()))?;
            let state = State { revision: stored.state.revision.saturating_add(1), ..found.state };
            Ok((stored.plan.id.clone(), Recovered { state, ..found }))
        });
        each.collect()
    }

    async fn record_recovered(&mut self, found: Vec<(RolloutId, Recovered)>, generation: u64, by: &str, now: Time) -> Result<(), Refusal> {
        let entry = |id: &RolloutId, recovered: &Recovered| {
            let plan = self.rollouts.read(id).map(|stored| stored.plan.digest.clone()).unwrap_or_default();
            Entry {
                rollout: id.clone(),
                revision: recovered.state.revision,
                at: now,
                plan,
                reason: format!("recovered by {by} from what proxies run: {}", recovered.sentence),
                command: None,
                observation: Observation::unknown(now),
                next: recovered.state.clone(),
                origin: Origin::Recovery,
            }
        };
        let entries: Vec<Entry> = found.iter().map(|(id, recovered)| entry(id, recovered)).collect();
        for entry in &entries {
            tracing::warn!(rollout = %entry.rollout, revision = entry.revision, "{}", entry.reason);
        }
        let mut hold = self.hold.clone();
        hold.recovered();
        let recorded = self.on.recovered(entries.clone(), generation, hold.identity()).await;
        recorded.map_err(|error| Refusal::Unavailable(error.to_string()))?;
        self.rollouts.recovered(entries);
        self.hold = hold;
        self.publisher.rebase(generation);
        Ok(())
    }
}
