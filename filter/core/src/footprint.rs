//! How much memory a report takes, bytes: what budgets count. An upper bound by the sizes of the types and by what maps and lists hold
//! in them; a map is taken for nodes that are half full, which is as empty as the standard library leaves them.

use std::collections::BTreeMap;
use std::mem::{size_of, size_of_val};

use crate::bits::Bits;
use crate::names::{RolloutId, VersionName};
use crate::outcome::ResponseClass;
use crate::report::{Counters, EpochReport, Exemplars, Hanging, LatencySlots, Report, Responses, ServiceReport};

/// Entries of a B-tree's node in the standard library, and how many it has at least, the only one excepted.
const NODE: usize = 11;
const NODE_MIN: usize = 5;

/// Something whose memory is counted.
pub trait Footprint {
    /// Bytes that it takes beside those of its own type.
    fn held(&self) -> usize;

    /// All bytes that it takes.
    fn footprint(&self) -> usize
    where
        Self: Sized,
    {
        size_of::<Self>().saturating_add(self.held())
    }
}

impl Footprint for u64 {
    fn held(&self) -> usize {
        0
    }
}

impl Footprint for String {
    fn held(&self) -> usize {
        self.capacity()
    }
}

impl Footprint for VersionName {
    fn held(&self) -> usize {
        self.as_str().len()
    }
}

impl Footprint for RolloutId {
    fn held(&self) -> usize {
        self.namespace().len().saturating_add(self.name().len())
    }
}

impl<N, const COUNT: u32, const DIGITS: usize> Footprint for Bits<N, COUNT, DIGITS> {
    fn held(&self) -> usize {
        self.memory()
    }
}

impl<T: Footprint> Footprint for Option<T> {
    fn held(&self) -> usize {
        self.as_ref().map_or(0, Footprint::held)
    }
}

impl<T: Footprint> Footprint for Vec<T> {
    fn held(&self) -> usize {
        let items = self.iter().fold(0_usize, |sum, item| sum.saturating_add(item.held()));
        self.capacity().saturating_mul(size_of::<T>()).saturating_add(items)
    }
}

impl<K: Footprint, V: Footprint> Footprint for BTreeMap<K, V> {
    fn held(&self) -> usize {
        let node = NODE.saturating_mul(size_of::<(K, V)>()).saturating_add(size_of::<[usize; 2]>());
        let nodes = self.len().div_ceil(NODE_MIN).saturating_mul(node);
        self.iter().fold(nodes, |sum, (key, value)| sum.saturating_add(key.held()).saturating_add(value.held()))
    }
}

impl Footprint for Counters {
    fn held(&self) -> usize {
        self.latency.held()
    }
}

impl Footprint for LatencySlots {
    fn held(&self) -> usize {
        let Self { seen, first_slow, above_p90, above_p99 } = self;
        sum([seen.held(), first_slow.held(), above_p90.held(), above_p99.held()])
    }
}

impl Footprint for EpochReport {
    fn held(&self) -> usize {
        let Self { epoch: _, versions, seen, failed, abandoned, hanging, responses, exemplars, latency, goals, cells } = self;
        let slots = sum([seen.held(), failed.held(), abandoned.held(), latency.held(), cells.held()]);
        sum([slots, versions.held(), hanging.held(), responses.held(), exemplars.held(), goals.held()])
    }
}

impl Footprint for ResponseClass {
    fn held(&self) -> usize {
        0
    }
}

impl Footprint for Responses {
    fn held(&self) -> usize {
        let Self { versions, slots } = self;
        versions.held().saturating_add(slots.held())
    }
}

impl Footprint for Hanging {
    fn held(&self) -> usize {
        let Self { versions, slots } = self;
        versions.held().saturating_add(slots.held())
    }
}

impl Footprint for Exemplars {
    fn held(&self) -> usize {
        self.iter().fold(0, |all, one| sum([all, size_of_val(one), one.path.held()]))
    }
}

impl Footprint for ServiceReport {
    fn held(&self) -> usize {
        let Self { keyless: _, misrouted: _, unrouted: _, not_serving: _, mirrored, versions, rules, epoch } = self;
        sum([mirrored.held(), versions.held(), rules.held(), epoch.held()])
    }
}

impl Footprint for Report {
    fn held(&self) -> usize {
        let Self { node, vm, sequence: _, generation: _, last: _, module, services } = self;
        sum([node.held(), vm.held(), module.held(), services.held()])
    }
}

fn sum<const N: usize>(parts: [usize; N]) -> usize {
    parts.into_iter().fold(0, usize::saturating_add)
}
