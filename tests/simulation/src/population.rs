//! The users of one run: how often they come, which slot they have, how they fare.

use fastrand::Rng;
use shunt_filter_core::report::SLOTS;

use crate::scenario::{Metric, Scenario, Troubled, Worse};

/// One user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) slot: u16,
    /// Requests per second.
    rate: f64,
    /// Share of their requests that fail at either version.
    pub(crate) errors: f64,
    /// What their requests take, times the usual.
    pub(crate) slow: f64,
    /// Whether the candidate is worse for them.
    pub(crate) hit: bool,
}

/// Users of one arm, drawn by how often they come.
#[derive(Debug)]
pub(crate) struct Crowd {
    users: Vec<User>,
    /// Walker's alias table: keep the user with this probability, otherwise take the other.
    table: Vec<(f64, usize)>,
    /// Requests per second of all together.
    pub(crate) rate: f64,
}

/// Everybody, at random slots.
pub(crate) fn users(scenario: &Scenario, rng: &mut Rng) -> Vec<User> {
    let zipf: f64 = (1..=scenario.users).map(|rank| 1.0 / rank as f64).sum();
    let unlucky = rng.usize(..scenario.users.min(20));
    let world = scenario.world;
    let user = |rank: usize| {
        let (errors, slow) = match (world.troubled, world.metric) {
            (Troubled::One(share), _) if rank == unlucky => (share, 1.0),
            (Troubled::Share(of, share), Metric::Errors) if rng.f64() < of => (share, 1.0),
            (Troubled::Share(of, times), Metric::Latency) if rng.f64() < of => (world.baseline, times),
            _ => (world.baseline, 1.0),
        };
        let hit = match scenario.worse {
            Worse::FailingFor(of, _) => rng.f64() < of,
            _ => true,
        };
        let rate = scenario.rate / (rank + 1) as f64 / zipf;
        // Users differ: their network, what they ask for.
        let slow = if world.metric == Metric::Latency { slow * (0.3 * normal(rng)).exp() } else { slow };
        User { slot: rng.u16(..SLOTS), rate, errors, slow, hit }
    };
    (0..scenario.users).map(user).collect()
}

impl Crowd {
    pub(crate) fn of(users: Vec<User>) -> Self {
        let rate: f64 = users.iter().map(|user| user.rate).sum();
        let mut table: Vec<(f64, usize)> = users.iter().map(|user| (user.rate / rate * users.len() as f64, 0)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..table.len()).partition(|index| table[*index].0 < 1.0);
        while let (Some(less), Some(more)) = (small.pop(), large.last().copied()) {
            table[less].1 = more;
            table[more].0 -= 1.0 - table[less].0;
            if table[more].0 < 1.0 {
                large.pop();
                small.push(more);
            }
        }
        for index in small.into_iter().chain(large) {
            table[index] = (1.0, index);
        }
        Self { users, table, rate }
    }

    /// Who makes the next request.
    pub(crate) fn pick(&self, rng: &mut Rng) -> User {
        let index = rng.usize(..self.table.len());
        let (keep, other) = self.table[index];
        self.users[if rng.f64() < keep { index } else { other }]
    }
}

/// A standard normal number (Box and Muller 1958).
pub(crate) fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

/// How many of something that happens `mean` times on average.
pub(crate) fn poisson(rng: &mut Rng, mean: f64) -> u32 {
    let mut at = 0.0;
    let mut count = 0;
    loop {
        at -= (1.0 - rng.f64()).ln();
        if at > mean {
            return count;
        }
        count += 1;
    }
}
