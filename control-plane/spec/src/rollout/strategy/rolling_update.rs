//! `rollingUpdate`: batches of instances, as a Deployment of Kubernetes does it, with the weight following what is ready.

mod pace;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::weight::POINTS;

use super::List;
use crate::plan::{Role, Scale, Step};
use crate::rollout::Owner;
use crate::rollout::quantity::Amount;
use crate::time::Span;
use pace::{Move, Pace};

/// Batches of instances.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdateSpec {
    /// How many instances there may be above the full size, of both versions together; a number, or percent of it (rounded up). Default:
    /// 25%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<Amount>,
    /// How many instances may be missing of the full size; a number, or percent of it (rounded down). Default: 25%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Amount>,
    /// Instead of the two: how many instances are replaced at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Amount>,
    /// How long to wait between batches. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// Whether new instances start before old ones stop. Default: `startFirst`, or `stopFirst` with `maxSurge: 0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderSpec>,
}

/// Which comes first in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OrderSpec {
    /// New instances start, then old ones stop.
    StartFirst,
    /// Old instances stop, then new ones start.
    StopFirst,
}

/// Without a number: a quarter.
const DEFAULT: Amount = Amount::Percent(25.0);
/// Where Shunt does not know how many instances there are, a version has this many parts.
const PARTS: u32 = 100;
/// Most batches: each takes the time of a proof.
const BATCHES_MAX: usize = 100;

impl RollingUpdateSpec {
    pub(super) fn add(&self, path: &str, list: &mut List<'_>) {
        if list.terms.owner == Owner::Flag {
            return list.refuse(path, "has no meaning for a feature flag, which has no instances: write canary");
        }
        let full = list.terms.full();
        if full.is_none() {
            self.counted(path, list);
        }
        let Some(pace) = self.pace(full.unwrap_or(PARTS), path, list) else { return };
        let moves = pace.moves();
        let batches = moves.iter().filter(|step| matches!(step, Move::Candidate(_))).count();
        if batches > BATCHES_MAX {
            return list
                .refuse(path, format!("takes {batches} batches: at most {BATCHES_MAX} are allowed; write a larger maxSurge or batch"));
        }
        for step in moves {
            self.batch(step, pace.full, full.is_some(), path, list);
        }
    }

    /// The steps of one move.
    fn batch(&self, step: Move, full: u32, scalable: bool, path: &str, list: &mut List<'_>) {
        let scale = |role, instances| Step::Scale(Scale { role, share: share(instances, full) });
        match step {
            Move::Candidate(instances) => {
                list.extend(path, scalable.then(|| scale(Role::Candidate, instances)));
                list.push(path, Step::SetWeight(share(instances, full)));
                let delay = self.delay.filter(|delay| *delay > Span::default() && instances < full);
                list.extend(path, delay.map(|delay| Step::Pause(Some(delay))));
            }
            Move::Stable(instances) => list.extend(path, scalable.then(|| scale(Role::Stable, instances))),
        }
    }

    /// Numbers of instances mean nothing where it is not known how many there are.
    fn counted(&self, path: &str, list: &mut List<'_>) {
        for (field, amount) in [("maxSurge", self.max_surge), ("maxUnavailable", self.max_unavailable), ("batch", self.batch)] {
            if let Some(Amount::Count(count)) = amount.filter(|amount| *amount != Amount::Count(0)) {
                let message = format!(
                    "{count} is a number of instances, and Shunt knows it only for versions by command: write percent, for example 25%"
                );
                list.refuse(format!("{path}.{field}"), message);
            }
        }
    }

    fn pace(&self, full: u32, path: &str, list: &mut List<'_>) -> Option<Pace> {
        if let Some(batch) = self.batch {
            return self.by_batch(batch, full, path, list);
        }
        let (surge, missing) = (self.max_surge.unwrap_or(DEFAULT), self.max_unavailable.unwrap_or(DEFAULT));
        for (field, amount) in [("maxSurge", surge), ("maxUnavailable", missing)] {
            if amount.above_all() {
                list.refuse(format!("{path}.{field}"), format!("{amount} is more than all: write 100% or less"));
                return None;
            }
        }
        if surge.is_zero() && missing.is_zero() {
            list.refuse(path, "has maxSurge and maxUnavailable of 0, so no instance could be replaced: write 1 or more for one of them");
            return None;
        }
        let surge = surge.up(full);
        let order = self.order.unwrap_or(if surge == 0 { OrderSpec::StopFirst } else { OrderSpec::StartFirst });
        match (order, surge, missing.is_zero()) {
            (OrderSpec::StartFirst, 0, _) => {
                list.refuse(
                    format!("{path}.order"),
                    "startFirst needs room for a new instance, and maxSurge is 0: write stopFirst, or maxSurge: 1",
                );
                None
            }
            (OrderSpec::StopFirst, _, true) => {
                list.refuse(
                    format!("{path}.order"),
                    "stopFirst needs an instance that may be missing, and maxUnavailable is 0: write startFirst, or maxUnavailable: 1",
                );
                None
            }
            // As in Kubernetes: where both round to nothing, one instance may be missing. Stopping first needs one too.
            _ => {
                let floor = u32::from(surge == 0 || order == OrderSpec::StopFirst);
                Some(Pace { full, surge, unavailable: missing.down(full).max(floor), order })
            }
        }
    }

    fn by_batch(&self, batch: Amount, full: u32, path: &str, list: &mut List<'_>) -> Option<Pace> {
        if self.max_surge.is_some() || self.max_unavailable.is_some() {
            list.refuse(format!("{path}.batch"), "stands for maxSurge and maxUnavailable: write it, or them");
            return None;
        }
        if batch.is_zero() || batch.above_all() {
            list.refuse(format!("{path}.batch"), format!("{batch} is not possible: write 1 or more instances, or up to 100%"));
            return None;
        }
        let size = batch.up(full).min(full);
        Some(match self.order.unwrap_or(OrderSpec::StartFirst) {
            order @ OrderSpec::StartFirst => Pace { full, surge: size, unavailable: 0, order },
            order @ OrderSpec::StopFirst => Pace { full, surge: 0, unavailable: size, order },
        })
    }
}

/// So many of all, in points; rounding it back to instances gives the same number.
fn share(instances: u32, full: u32) -> Weight {
    let points = u64::from(instances).saturating_mul(u64::from(POINTS)).checked_div(u64::from(full)).unwrap_or(0);
    Weight::ppm(u32::try_from(points).unwrap_or(POINTS))
}
