//! How many instances each version should have, where they are ours to start.

use std::collections::BTreeMap;

use shunt_spec::plan::{Plan, Step};

use super::withheld;
use crate::state::{Installation, Retiring, Run, State};
use shunt_filter_core::weight::POINTS;
use shunt_filter_core::{BaselineName, VersionName, Weight};

/// Instances by version; only versions whose instances can be counted.
pub(super) fn scale(plan: &Plan, state: &State) -> BTreeMap<VersionName, u32> {
    state.installed.keys().filter_map(|name| Some((name.clone(), scaled(plan, state, name)?))).collect()
}

/// How many instances this version should have now; none when they are not ours to count.
pub fn scaled(plan: &Plan, state: &State, name: &VersionName) -> Option<u32> {
    let installed = state.installed.get(name)?;
    let full = installed.backend.full_size()?;
    if state.retiring == Some(Retiring::Gone) {
        return Some(0);
    }
    Some(match share(plan, state, name) {
        Want::Share(share) => part(full, share),
        // A baseline was used a moment ago: it goes when no proxy can use it any more; until then it keeps what it has. Any other
        // version that leaves was let go before, with its own proof.
        Want::Nothing if matches!(installed.stage, Installation::Leaving { .. }) && BaselineName::is_reserved(name) => full,
        Want::Nothing => 0,
    })
}

/// What a version needs.
enum Want {
    Share(Weight),
    Nothing,
}

fn share(plan: &Plan, state: &State, name: &VersionName) -> Want {
    let run = state.run.as_ref();
    if *name == state.stable {
        return Want::Share(run.map_or(Weight::ALL, |run| run.sizes.stable));
    }
    let ruled = withheld(state, name).is_none() && plan.rules.iter().any(|rule| rule.version.as_ref() == Some(name));
    // Long-lived rules send requests there whatever the run does, except where the two must not run at once.
    if ruled && run.is_none_or(|run| run.held.is_none()) {
        return Want::Share(Weight::ALL);
    }
    if let Some(wanted) = run.and_then(|run| in_run(plan, run, name)) {
        return wanted;
    }
    if let Some(previous) = state.previous.as_ref().filter(|previous| previous.version == *name) {
        return Want::Share(previous.size);
    }
    if ruled || *name == *state.default_route.target() { Want::Share(Weight::ALL) } else { Want::Nothing }
}

fn in_run(plan: &Plan, run: &Run, name: &VersionName) -> Option<Want> {
    if run.candidate == *name {
        return Some(Want::Share(run.sizes.candidate));
    }
    let arm = plan.steps.iter().any(|step| matches!(step, Step::AbTest(test) if test.arms.iter().any(|arm| arm.version == *name)));
    let baseline = run.baseline.as_ref().map(BaselineName::version);
    let left = [run.forward_from.as_ref(), baseline].contains(&Some(name)) || run.arms.contains(name);
    ((arm && run.stage.ending().is_none()) || left).then_some(Want::Share(Weight::ALL))
}

/// Rounded, and at least one where there is a share at all.
fn part(full: u32, share: Weight) -> u32 {
    if share == Weight::ZERO {
        return 0;
    }
    let points = u64::from(full).saturating_mul(u64::from(share.points())).saturating_add(u64::from(POINTS).div_euclid(2));
    u32::try_from(points.checked_div(u64::from(POINTS)).unwrap_or(0)).unwrap_or(full).clamp(1, full.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(4, 1_000_000, 4)]
    #[test_case(4, 250_000, 1)]
    #[test_case(3, 333_333, 1; "a third of three is one")]
    #[test_case(3, 666_666, 2)]
    #[test_case(10, 10_000, 1; "never none where there is a share")]
    #[test_case(10, 0, 0)]
    fn parts(full: u32, ppm: u32, expected: u32) {
        assert_eq!(part(full, Weight::ppm(ppm)), expected);
    }
}
