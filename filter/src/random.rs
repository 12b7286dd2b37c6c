//! Randomness for generated ids: seeded once per VM by the proxy, then a generator of our own, because asking costs 0.6 us.

use std::cell::Cell;

use crate::host::Host;

/// Two independent SplitMix64 generators (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Debug)]
pub(crate) struct Random {
    state: Cell<[u64; 2]>,
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// Seeded by the proxy.
    pub(crate) fn seeded(host: &dyn Host) -> Self {
        let seed = u128::from_le_bytes(host.random());
        // Truncation is meant: the two halves.
        Self { state: Cell::new([seed as u64, (seed >> 64) as u64]) }
    }

    /// The next 128 bits.
    pub(crate) fn next(&self) -> [u64; 2] {
        let state = self.state.get().map(|state| state.wrapping_add(GAMMA));
        self.state.set(state);
        state.map(mix)
    }
}

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
