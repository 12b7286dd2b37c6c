//! What is simulated: users, traffic, and how the candidate differs.

use shunt_filter_core::Weight;
use shunt_spec::plan::metric::{LatencyTolerance, Tolerance};

/// One row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// As printed.
    pub(crate) name: &'static str,
    pub(crate) users: usize,
    /// Requests per second of both versions together.
    pub(crate) rate: f64,
    /// The candidate's share of keys in percent, step by step; ten minutes each.
    pub(crate) weights: &'static [u32],
    pub(crate) world: World,
    pub(crate) worse: Worse,
    /// What is allowed; the other deciders know nothing of it.
    pub(crate) tolerance: Option<Tolerance>,
    /// How much slower is allowed.
    pub(crate) slower: LatencyTolerance,
    pub(crate) goal: Goal,
}

/// How requests fail at either version, and how long they take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    /// Share of requests that fail.
    pub(crate) baseline: f64,
    /// Users with errors of their own.
    pub(crate) troubled: Troubled,
    /// Bursts that hit both versions, per ten minutes.
    pub(crate) bursts: u32,
    /// What the analysis looks at.
    pub(crate) metric: Metric,
    /// What half of the requests take at most, milliseconds.
    pub(crate) usual: f64,
}

/// Users with errors of their own, or slow ones.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Troubled {
    None,
    /// One user, any of the twenty with most requests: at this share.
    One(f64),
    /// This share of the users, at that share of their requests.
    Share(f64, f64),
}

/// What the analysis looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    Errors,
    Latency,
}

/// How the candidate differs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Worse {
    /// Not at all.
    Equal,
    /// Times the errors of each user.
    Times(f64),
    /// This share of requests fails besides.
    Failing(f64),
    /// This share of the users has that share of failures besides.
    FailingFor(f64, f64),
    /// Times this.
    Slower(f64),
    /// Milliseconds more.
    Later(f64),
    /// This share of requests takes a second more.
    Stalling(f64),
    /// Slower by what is allowed, so many times.
    Allowed(f64),
}

/// What the row must show.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// At most this share of equal candidates is aborted.
    FalseAborts(f64),
    /// At most so many bad requests served on average.
    Served(f64),
    /// At least this share is caught in ten minutes.
    Caught(f64),
    /// A known weak spot: shown, no goal.
    Shown,
}

/// How long a burst lasts, seconds.
pub(crate) const BURST: f64 = 10.0;
/// How many requests fail in it.
pub(crate) const BURST_ERRORS: f64 = 0.3;

const PLAIN: World = World { baseline: 0.001, troubled: Troubled::None, bursts: 0, metric: Metric::Errors, usual: 40.0 };
const TROUBLED: World = World { troubled: Troubled::Share(0.01, 0.2), ..PLAIN };
const TIMES: World = World { metric: Metric::Latency, ..PLAIN };
const FAST: World = World { usual: 4.0, ..TIMES };

/// Five percent, 100 requests per second, 5,000 users, one step of ten minutes.
const EQUAL: Scenario = Scenario {
    name: "equal, baseline 0.1 %",
    users: 5_000,
    rate: 100.0,
    weights: &[5],
    world: PLAIN,
    worse: Worse::Equal,
    tolerance: None,
    slower: LatencyTolerance::USUAL,
    goal: Goal::FalseAborts(0.01),
};

/// Half a point more, and half as many again.
const POINTS: Tolerance = Tolerance::Points(Weight::ppm(5_000));
const RATIO: Tolerance = Tolerance::Ratio(1.5);

/// All rows: equal candidates first.
pub(crate) fn all() -> Vec<Scenario> {
    let equal = |name, world| Scenario { name, world, ..EQUAL };
    let allowed = |name, tolerance, world, worse| Scenario { name, tolerance: Some(tolerance), world, worse, ..EQUAL };
    let worse = |name, worse, goal| Scenario { name, worse, goal, ..EQUAL };
    // How fine the test is: nothing is allowed.
    let strict = |scenario| Scenario { slower: LatencyTolerance::NONE, ..scenario };
    let slower = |name, worse| strict(Scenario { name, world: TIMES, worse, goal: Goal::Caught(0.9), ..EQUAL });
    let tolerated = |name, world, times, goal| Scenario { name, world, worse: Worse::Allowed(times), goal, ..EQUAL };
    let kept = Goal::FalseAborts(0.01);
    vec![
        EQUAL,
        equal("1 % of users with 20 % errors of their own (H)", TROUBLED),
        equal("baseline 2 % (Z)", World { baseline: 0.02, ..PLAIN }),
        equal("bursts of 10 s with 30 % errors (T)", World { bursts: 5, ..PLAIN }),
        equal("H and T", World { bursts: 5, ..TROUBLED }),
        Scenario { name: "5 requests/s (L)", rate: 5.0, ..EQUAL },
        Scenario { name: "L and H", rate: 5.0, world: TROUBLED, ..EQUAL },
        equal("one user with 50 %", World { troubled: Troubled::One(0.5), ..PLAIN }),
        equal("5 % of users with 50 %", World { troubled: Troubled::Share(0.05, 0.5), ..PLAIN }),
        Scenario { name: "200 users, H", users: 200, world: TROUBLED, ..EQUAL },
        Scenario { name: "50 % weight, H", weights: &[50], world: TROUBLED, ..EQUAL },
        Scenario { name: "whole rollout 1 → 5 → 20 → 50 %, H", weights: &[1, 5, 20, 50], world: TROUBLED, ..EQUAL },
        strict(equal("latency, equal, nothing allowed", TIMES)),
        strict(equal("latency, 5 % of users 5 times slower, nothing allowed", World { troubled: Troubled::Share(0.05, 5.0), ..TIMES })),
        equal("latency, equal", TIMES),
        tolerated("latency 4 ms, as slow as allowed (+ 5 ms)", FAST, 1.0, kept),
        tolerated("latency 40 ms, as slow as allowed (+ 20 %)", TIMES, 1.0, kept),
        Scenario { users: 200, weights: &[50], ..tolerated("latency 40 ms, as slow as allowed, 200 users, 50 %", TIMES, 1.0, kept) },
        allowed("0.5pp allowed, as good", POINTS, PLAIN, Worse::Equal),
        allowed("0.5pp allowed, +0.5", POINTS, PLAIN, Worse::Failing(0.005)),
        allowed("0.5pp allowed, +0.5, H", POINTS, TROUBLED, Worse::Failing(0.005)),
        allowed("1.5x allowed, baseline 2 %, 1.5 times as many", RATIO, World { baseline: 0.02, ..PLAIN }, Worse::Times(1.5)),
        allowed("1.5x allowed, 1.5 times as many, H", RATIO, TROUBLED, Worse::Times(1.5)),
        worse("+20 points", Worse::Failing(0.20), Goal::Served(8.0)),
        worse("+5", Worse::Failing(0.05), Goal::Served(10.0)),
        worse("+2", Worse::Failing(0.02), Goal::Served(15.0)),
        worse("+1", Worse::Failing(0.01), Goal::Caught(0.85)),
        worse("+50 for a tenth of the users", Worse::FailingFor(0.1, 0.5), Goal::Served(15.0)),
        slower("latency × 1.5", Worse::Slower(1.5)),
        slower("latency + 20 ms", Worse::Later(20.0)),
        slower("latency × 3", Worse::Slower(3.0)),
        slower("2 % of requests + 1 s", Worse::Stalling(0.02)),
        tolerated("latency 4 ms, twice as slow as allowed (+ 10 ms)", FAST, 2.0, Goal::Caught(0.9)),
        Scenario { weights: &[50], ..tolerated("latency 40 ms, twice as slow as allowed (+ 40 %), 50 %", TIMES, 2.0, Goal::Caught(0.9)) },
        tolerated("latency 40 ms, twice as slow as allowed (+ 40 %)", TIMES, 2.0, Goal::Shown),
        tolerated("latency 40 ms, four times as slow as allowed (+ 80 %)", TIMES, 4.0, Goal::Caught(0.9)),
        Scenario { tolerance: Some(POINTS), ..worse("0.5pp allowed, +5", Worse::Failing(0.05), Goal::Caught(0.9)) },
        Scenario { tolerance: Some(POINTS), ..worse("0.5pp allowed, +2", Worse::Failing(0.02), Goal::Shown) },
        Scenario { tolerance: Some(RATIO), ..worse("1.5x allowed, +2", Worse::Failing(0.02), Goal::Caught(0.9)) },
        Scenario { tolerance: Some(POINTS), ..worse("0.5pp allowed, +1", Worse::Failing(0.01), Goal::Shown) },
        Scenario {
            name: "baseline 2 %, +2",
            world: World { baseline: 0.02, ..PLAIN },
            worse: Worse::Failing(0.02),
            goal: Goal::Shown,
            ..EQUAL
        },
        Scenario {
            name: "50 users, +20 at 10 % weight",
            users: 50,
            weights: &[10],
            worse: Worse::Failing(0.2),
            goal: Goal::Shown,
            ..EQUAL
        },
    ]
}
