//! Compiles what the filter would get, so that a proxy never sees a policy that it would refuse.

use super::problems::Problems;
use crate::plan::Plan;
use crate::rollout::RolloutSpec;

pub(super) fn check(_plan: &Plan, _spec: &RolloutSpec, _problems: &mut Problems) {}
