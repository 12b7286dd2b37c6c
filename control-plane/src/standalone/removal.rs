//! What the config folder no longer says. It is gone only when that was seen twice, a while apart, while the folder holds other
//! manifests, or when its deletion was asked for: a folder that is not mounted, or is being written anew, deletes nothing.

use std::collections::{BTreeMap, BTreeSet};

use shunt_filter_core::RolloutId;
use shunt_spec::{Span, Time};

/// How long a deletion that was asked for waits for the folder to show it; later it is a removal like any other.
const ASKED_FOR: Span = Span::seconds(30);

/// Something that was in force and that the folder does not say any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missing {
    /// A file, by its name.
    File(String),
    /// A recorded Rollout.
    Rollout(RolloutId),
}

/// What the folder can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Witness {
    /// It holds other manifests: what is missing may have been deleted.
    Manifests,
    /// It holds none, or cannot be listed: nothing follows from that.
    Nothing,
}

/// What is missing, and since when.
#[derive(Debug)]
pub(super) struct Removals {
    delay: Span,
    since: BTreeMap<Missing, Time>,
    asked: BTreeMap<RolloutId, Time>,
}

impl Removals {
    /// Nothing is missing yet. `delay` is the least time between the two sightings.
    pub(super) fn new(delay: Span) -> Self {
        Self { delay, since: BTreeMap::new(), asked: BTreeMap::new() }
    }

    /// An operator asked for the deletion of this Rollout.
    pub(super) fn ask(&mut self, id: RolloutId, now: Time) {
        self.asked.insert(id, now);
    }

    /// Its manifest is written again: the deletion is not wanted any more.
    pub(super) fn withdraw(&mut self, id: &RolloutId) {
        self.asked.remove(id);
    }

    /// One sighting of all that is missing; what of it is gone by now.
    pub(super) fn due(&mut self, missing: &BTreeSet<Missing>, witness: Witness, now: Time) -> BTreeSet<Missing> {
        self.asked.retain(|_, at| now.since(*at) < ASKED_FOR);
        self.since.retain(|known, _| witness == Witness::Manifests && missing.contains(known));
        let mut gone = BTreeSet::new();
        for one in missing {
            if self.is_asked(one) || (witness == Witness::Manifests && self.is_confirmed(one, now)) {
                self.since.remove(one);
                gone.insert(one.clone());
            }
        }
        gone
    }

    fn is_asked(&mut self, one: &Missing) -> bool {
        match one {
            Missing::Rollout(id) => self.asked.remove(id).is_some(),
            Missing::File(_) => false,
        }
    }

    fn is_confirmed(&mut self, one: &Missing, now: Time) -> bool {
        let first = *self.since.entry(one.clone()).or_insert(now);
        now > first && now >= first.after(self.delay)
    }

    /// Rollouts that end unless their manifest comes back.
    pub(super) fn pending(&self) -> impl Iterator<Item = &RolloutId> {
        self.since.keys().filter_map(|missing| match missing {
            Missing::Rollout(id) => Some(id),
            Missing::File(_) => None,
        })
    }

    /// Whether it is time for the second sighting of something.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.since.values().any(|first| now >= first.after(self.delay))
    }

    /// The least time between the two sightings.
    pub(super) fn delay(&self) -> Span {
        self.delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    const DELAY: Span = Span::seconds(10);

    fn rollout() -> Missing {
        Missing::Rollout("shop/checkout".parse().unwrap())
    }

    /// (second, what is missing, what the folder holds) ... and the second at which it is gone, if ever.
    #[test_case(&[(0, 1, 1), (9, 1, 1)], None; "not before the delay is over")]
    #[test_case(&[(0, 1, 1), (10, 1, 1)], Some(10); "twice, the delay apart")]
    #[test_case(&[(0, 1, 1), (3, 0, 1), (10, 1, 1), (19, 1, 1)], None; "it came back in between")]
    #[test_case(&[(0, 1, 0), (10, 1, 0), (1_000, 1, 0)], None; "an empty folder deletes nothing, however long")]
    #[test_case(&[(0, 1, 1), (5, 1, 0), (10, 1, 1)], None; "an empty folder in between starts it anew")]
    #[test_case(&[(0, 1, 1), (5, 1, 0), (10, 1, 1), (20, 1, 1)], Some(20); "and then it takes the whole delay")]
    fn a_removal_is_seen_twice(sightings: &[(u64, usize, usize)], gone: Option<u64>) {
        let mut removals = Removals::new(DELAY);
        let mut at = None;
        for (second, missing, manifests) in sightings {
            let missing: BTreeSet<Missing> = std::iter::repeat_n(rollout(), *missing).collect();
            let witness = if *manifests > 0 { Witness::Manifests } else { Witness::Nothing };
            if !removals.due(&missing, witness, Time(second * 1_000)).is_empty() {
                at = Some(*second);
            }
        }
        assert_eq!(at, gone);
    }

    #[test]
    fn a_deletion_that_was_asked_for_needs_one_sighting_in_whatever_folder() {
        for witness in [Witness::Manifests, Witness::Nothing] {
            let mut removals = Removals::new(DELAY);
            removals.ask("shop/checkout".parse().unwrap(), Time(0));
            assert!(removals.due(&BTreeSet::new(), witness, Time(1)).is_empty(), "the folder still says it");
            assert_eq!(removals.due(&BTreeSet::from([rollout()]), witness, Time(2)), BTreeSet::from([rollout()]));
            assert!(removals.due(&BTreeSet::from([rollout()]), witness, Time(3)).is_empty(), "asked once, done once");
        }
    }

    #[test]
    fn a_deletion_that_was_asked_for_and_never_seen_is_forgotten() {
        let mut removals = Removals::new(DELAY);
        removals.ask("shop/checkout".parse().unwrap(), Time(0));
        assert!(removals.due(&BTreeSet::from([rollout()]), Witness::Nothing, Time(60_000)).is_empty());
        removals.ask("shop/checkout".parse().unwrap(), Time(60_000));
        removals.withdraw(&"shop/checkout".parse().unwrap());
        assert!(removals.due(&BTreeSet::from([rollout()]), Witness::Nothing, Time(60_001)).is_empty());
    }
}
