//! Modelled users: who they are, how often they come, and when first.

use serde::{Deserialize, Serialize};
use shunt_filter_core::split;

/// What is assumed of the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Requests per second to the service, over all users.
    pub rate: f64,
    /// Users, that is different keys.
    pub users: u32,
    /// Share of requests that fail at either version, 0 to 1.
    pub errors: f64,
    /// Share of users who reach each goal of an A/B test at either version, 0 to 1.
    pub goals: f64,
}

/// More users than this behave like this many: there are 10,000 slots.
const MODELLED: u32 = 20_000;

/// A user.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    /// Requests per second.
    pub(super) rate: f64,
    /// The hash of their key, before the salt: who they are.
    pub(super) identity: u64,
}

/// How many of these users come at least once in so many seconds.
pub(super) fn came(population: &[User], traffic: &Traffic, seconds: f64) -> f64 {
    let modelled: f64 = population.iter().map(|user| -(-user.rate * seconds).exp_m1()).sum();
    modelled * f64::from(traffic.users) / f64::from(traffic.users.min(MODELLED)).max(1.0)
}

/// Rates by Zipf: the user of rank r makes 1/r as many requests as the first one.
pub(super) fn population(traffic: &Traffic) -> Vec<User> {
    let number = traffic.users.min(MODELLED);
    let total: f64 = (1..=number).map(|rank| 1.0 / f64::from(rank)).sum();
    let user = |rank: u32| User { rate: traffic.rate / f64::from(rank) / total, identity: split::seed(&format!("user-{rank}")) };
    (1..=number).map(user).collect()
}

/// A deterministic source of what is left to chance: xorshift64* (Vigna, ACM Transactions on Mathematical Software 42(4), 2016).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed | 1)
    }

    /// 0 < u <= 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        (bits as f64 + 1.0) / (1_u64 << 53) as f64
    }

    /// 0 <= n < below.
    pub(super) fn below(&mut self, below: u16) -> u16 {
        ((self.unit() * f64::from(below)) as u16).min(below.saturating_sub(1))
    }

    /// How often something happens that is expected so many times (Poisson): by waiting times, or by a normal curve where it is large.
    pub(super) fn count(&mut self, expected: f64) -> u64 {
        if expected > 50.0 {
            let (radius, angle) = ((-2.0 * self.unit().ln()).sqrt(), std::f64::consts::TAU * self.unit());
            return (expected + expected.sqrt() * radius * angle.cos()).round().max(0.0) as u64;
        }
        let mut at = self.first(1.0);
        let mut happened = 0_u64;
        while at < expected {
            at += self.first(1.0);
            happened = happened.saturating_add(1);
        }
        happened
    }

    /// Seconds until something happens for the first time that happens `rate` times a second; never: infinite.
    pub(super) fn first(&mut self, rate: f64) -> f64 {
        -self.unit().ln() / rate
    }
}
