//! What a release will do: the real state machine run over a modelled world, so that a forecast cannot differ from what the machine does.
//!
//! The model: proxies that apply everything at once, a candidate as good as stable, users with Zipf request rates, and an operator who
//! promotes a pause without end after [`PATIENCE`]. Nothing is random but the users, and they are the same each time.

mod journey;
mod measuring;
mod population;
mod power;
mod world;

use serde::{Deserialize, Serialize};
use shunt_filter_core::{RolloutId, VersionName, Weight};

use shunt_spec::plan::metric::{LatencyTolerance, Tolerance};
use shunt_spec::plan::{Plan, StepKind};
use shunt_spec::time::{Span, Time};

pub use crate::contest::Tells;
pub use measuring::{Measuring, StepMeasurements};
pub use population::Traffic;

/// How long an operator takes to promote what waits for one.
pub const PATIENCE: Span = Span::seconds(600);

/// What a release will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Which Rollout.
    pub rollout: RolloutId,
    /// The version that is stable before.
    pub from: VersionName,
    /// The version that is released.
    pub to: VersionName,
    /// What was assumed.
    pub traffic: Traffic,
    /// In order.
    pub legs: Vec<Leg>,
    /// Splits of the keys with both versions in them, the longest ones if there are many, and what the analysis of each can see.
    pub evaluations: Vec<Evaluation>,
    /// A/B tests, and what each can tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<TestEvaluation>,
    /// External metrics, as if all they measure were good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_metrics: Vec<Measuring>,
    /// How much worse than stable is allowed; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Tolerance>,
    /// How long users get no answer, where requests are held (recreate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<Downtime>,
    /// No weight above this comes before the analysis has passed once.
    pub max_exposed: Weight,
    /// What of latency is not seen; none: it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Unseen>,
    /// From the changed manifest to the end.
    pub lasts: Span,
    /// How it ends.
    pub end: End,
    /// What the operator should change, or know.
    pub warnings: Vec<String>,
}

/// What of latency is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unseen {
    /// So much slower than stable is allowed.
    pub tolerance: LatencyTolerance,
    /// So long after the first requests of new instances nothing is judged.
    pub warm_up: Span,
}

impl Unseen {
    fn of(plan: &Plan) -> Option<Self> {
        plan.analysis.latency_tolerance().map(|tolerance| Self { tolerance, warm_up: plan.analysis.latency_warm_up() })
    }
}

/// A part of the way: a step, or what comes before and after the steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// Number of the step, from 1; none: before or after the steps.
    pub step: Option<usize>,
    /// What the step does; none: before or after the steps.
    pub kind: Option<StepKind>,
    /// For people: `setWeight 5`, `promotion`.
    pub text: String,
    /// After the changed manifest.
    pub at: Span,
    /// How long.
    pub lasts: Span,
    /// How much of it until the proxies have proved it.
    pub proof: Span,
    /// The candidate's share of keys while it lasts.
    pub weight: Weight,
    /// Users of the candidate by that share; members of cohorts come on top.
    pub users: u64,
    /// Why it waits for an operator; none: it does not.
    pub waits: Option<String>,
}

/// One split of the keys with both versions in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// The candidate's share of keys.
    pub weight: Weight,
    /// How long.
    pub lasts: Span,
    /// Requests of the candidate in that time.
    pub requests: u64,
    /// Users of the candidate.
    pub users: u64,
    /// The smallest regression that is seen.
    pub sees: Sight,
    /// What would be seen without the tolerance, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<Sight>,
}

/// One A/B test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestEvaluation {
    /// Number of the step, from 1.
    pub step: usize,
    /// How long.
    pub lasts: Span,
    /// Its first goal, which decides.
    pub goal: String,
    /// Users who take part, of all versions together.
    pub users: u64,
    /// Of them the smallest arm's.
    pub of_smallest_arm: u64,
    /// The smallest difference that is told from none.
    pub tells: Tells,
}

/// How long users get no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Downtime {
    /// Number of the step in which it begins, from 1.
    pub from_step: usize,
    /// With a candidate whose instances are ready at once.
    pub lasts: Span,
    /// With one that does not get ready; then the old version starts again.
    pub at_most: Span,
    /// The old version.
    pub then: VersionName,
}

/// The smallest regression that an analysis sees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Sight {
    /// So many percentage points more failures are caught in at least 9 of 10 simulated releases, in this time (median).
    Points {
        /// Percentage points.
        more: f64,
        /// From the first request.
        within: Span,
    },
    /// Not even a candidate that fails always.
    Nothing,
}

/// How a release ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// The candidate is stable.
    Promoted,
    /// Over without a promotion, as planned: the strategy only looks, or an A/B test had no winner.
    Concluded(String),
    /// Refused, although it is as good as stable.
    Refused(String),
    /// It waits for an operator for ever.
    Stuck(String),
}

/// What the release of `to` will do while `from` is stable, from `start` on (which matters where only some hours are for releases).
/// The plan is that of a manifest whose `release:` is `to`.
pub fn forecast(plan: &Plan, from: &VersionName, to: &VersionName, traffic: Traffic, start: Time) -> Forecast {
    journey::travel(plan, from, to, traffic, start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_spec::Context;
    use shunt_spec::manifest::parse;
    use test_case::test_case;

    fn foresee(steps: &str, more: &str, traffic: Traffic) -> Forecast {
        let text = format!(
            "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: checkout, namespace: shop}}\nspec:\n  \
             service: {{hosts: [shop.test]}}\n  release: v1\n  \
             versions: [{{name: v1, endpoints: ['127.0.0.1:9001']}}, {{name: v2, endpoints: ['127.0.0.1:9002']}}]\n  \
             strategy: {{canary: {{steps: [{steps}]}}}}\n{more}"
        );
        let plan = parse("shop.yaml", &text).unwrap()[0].compile(&Context::default()).unwrap();
        forecast(&plan, &"v1".parse().unwrap(), &"v2".parse().unwrap(), traffic, Time(0))
    }

    const USUAL: Traffic = Traffic { rate: 100.0, users: 5_000, errors: 0.001, goals: 0.05 };

    fn lasts(forecast: &Forecast) -> Vec<(Option<usize>, u64)> {
        forecast.legs.iter().map(|leg| (leg.step, leg.lasts.0 / 1_000)).collect()
    }

    #[test]
    fn each_step_takes_its_time_and_each_weight_its_proof() {
        let seen = foresee("{setWeight: 5}, {pause: {duration: 90s}}, {setWeight: 50}, {analysis: {duration: 2m}}", "", USUAL);
        let expected = [(None, 0), (Some(1), 3), (Some(2), 90), (Some(3), 3), (Some(4), 120), (None, 3)];
        assert_eq!((lasts(&seen), seen.lasts, &seen.end), (expected.to_vec(), Span::seconds(219), &End::Promoted));
        assert_eq!(seen.legs.iter().map(|leg| leg.users).collect::<Vec<_>>(), [0, 250, 250, 2_500, 2_500, 5_000]);
        let evaluations: Vec<(Span, u64)> = seen.evaluations.iter().map(|evaluation| (evaluation.lasts, evaluation.requests)).collect();
        assert_eq!(evaluations, [(Span::seconds(93), 465), (Span::seconds(123), 6_150)], "100/s by weight and time");
        assert!(seen.warnings.is_empty(), "{:?}", seen.warnings);
    }

    /// shared figures of the test: at 5 % and 100/s, +1 point is caught in 97.5 % of ten minutes, +0.5 rarely.
    #[test_case("10m", USUAL, 1.0; "one point in ten minutes")]
    #[test_case("1m", USUAL, 5.0; "five points in a minute")]
    fn what_is_seen_fits_the_published_figures(pause: &str, traffic: Traffic, expected: f64) {
        let seen = foresee(&format!("{{setWeight: 5}}, {{pause: {{duration: {pause}}}}}"), "", traffic);
        let Sight::Points { more, within } = seen.evaluations[0].sees else { panic!("{:?}", seen.evaluations) };
        assert!((more - expected).abs() < 1e-9 && within < seen.evaluations[0].lasts, "{:?}", seen.evaluations);
    }

    #[test]
    fn more_time_and_more_users_see_more() {
        let points = |pause: &str, users: u32| {
            let seen = foresee(&format!("{{setWeight: 5}}, {{pause: {{duration: {pause}}}}}"), "", Traffic { users, ..USUAL });
            match seen.evaluations[0].sees {
                Sight::Points { more, .. } => more,
                Sight::Nothing => f64::INFINITY,
            }
        };
        assert!(points("30s", 5_000) > points("30m", 5_000));
        assert!(points("5m", 60) > points("5m", 5_000));
    }

    #[test]
    fn where_requests_are_held_it_says_for_how_long() {
        let text = "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {name: checkout, namespace: shop}\nspec:\n  \
                    service: {hosts: [shop.test]}\n  release: v1\n  strategy: {recreate: {deadline: 20s}}\n  \
                    versions: [{name: v1, command: [./v1]}, {name: v2, command: [./v2]}]\n";
        let plan = parse("shop.yaml", text).unwrap()[0].compile(&Context::default()).unwrap();
        let seen = forecast(&plan, &"v1".parse().unwrap(), &"v2".parse().unwrap(), USUAL, Time(0));
        let down = seen.downtime.expect("requests are held");
        assert_eq!((down.from_step, down.at_most, down.then.as_str()), (1, Span::seconds(20), "v1"));
        assert!(down.lasts < down.at_most && seen.end == End::Promoted && seen.warnings.is_empty(), "{down:?} {:?}", seen.warnings);
    }

    #[test]
    fn an_analysis_that_cannot_decide_is_said_before_it_holds_the_run() {
        let seen = foresee("{setWeight: 5}, {analysis: {duration: 1m}}", "", Traffic { rate: 0.5, users: 40, ..USUAL });
        let waits: Vec<&str> = seen.legs.iter().filter_map(|leg| leg.waits.as_deref()).collect();
        assert!(waits.iter().any(|why| why.starts_with("no progress for 10m: no pass of the analysis: ")), "{:?}", seen.legs);
        assert!(seen.warnings[0].contains("cannot decide in time"), "{:?}", seen.warnings);
        assert_eq!(seen.end, End::Promoted, "an operator goes on without it");
    }

    #[test]
    fn latency_compared_with_stable_holds_nothing_up() {
        let metrics = "  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}}, {name: slow, latency: {noWorseThanStable: {}}}]}\n";
        let seen = foresee("{setWeight: 5}, {pause: {duration: 10m}}, {setWeight: 50}, {pause: {duration: 10m}}", metrics, USUAL);
        let expected = [(None, 0), (Some(1), 3), (Some(2), 600), (Some(3), 3), (Some(4), 600), (None, 3)];
        assert_eq!((lasts(&seen), &seen.end, &seen.warnings), (expected.to_vec(), &End::Promoted, &Vec::new()));
    }

    #[test]
    fn what_waits_for_a_window_says_so() {
        // Begins on a Thursday at midnight.
        let windows = "  windows: [{days: [thu], from: '06:00', to: '18:00', timeZone: UTC}]\n";
        let seen = foresee("{setWeight: 5}, {pause: {duration: 13h}}, {setWeight: 50}", windows, USUAL);
        let waits: Vec<_> = seen.legs.iter().filter_map(|leg| Some((leg.step, leg.waits.as_deref()?))).collect();
        assert_eq!(waits, [(None, "until a window opens"), (Some(2), "until a window opens")], "{:?}", seen.legs);
        assert_eq!(seen.end, End::Promoted);
    }

    #[test]
    fn a_limit_below_the_baseline_refuses_everybody() {
        let metrics = "  analysis: {metrics: [{name: limit, successRate: {min: 99.9%}}]}\n";
        let seen = foresee("{setWeight: 20}, {pause: {duration: 5m}}", metrics, Traffic { errors: 0.01, ..USUAL });
        assert!(matches!(&seen.end, End::Refused(reason) if reason.contains("below 99.9 %")), "{:?}", seen.end);
        assert!(seen.warnings[0].contains("tighter than the errors assumed"), "{:?}", seen.warnings);
    }

    #[test]
    fn the_same_question_has_the_same_answer() {
        let ask = || foresee("{setWeight: 5}, {pause: {}}, {setWeight: 50}, {pause: {duration: 2d}}", "", USUAL);
        let once = ask();
        assert_eq!(once, ask());
        assert_eq!(once.legs[2].waits.as_deref(), Some("until an operator promotes"));
        assert_eq!(once.lasts, Span::seconds(3 + 600 + 3 + 2 * 86_400 + 3));
    }

    #[test]
    fn a_tolerance_says_what_it_hides() {
        let of = |by: &str| {
            let metrics = format!("  analysis: {{metrics: [{{name: errors, successRate: {{noWorseThanStable: {{{by}}}}}}}]}}\n");
            foresee("{setWeight: 5}, {pause: {duration: 10m}}", &metrics, USUAL)
        };
        let more = |sight: Sight| match sight {
            Sight::Points { more, .. } => more,
            Sight::Nothing => f64::INFINITY,
        };
        let strict = of("");
        assert_eq!((strict.evaluations[0].without, strict.tolerance), (None, None));
        for by in ["by: 0.5pp", "by: 3x"] {
            let tolerant = of(by);
            assert_eq!(tolerant.evaluations[0].without, Some(strict.evaluations[0].sees), "{by}");
            assert!(more(tolerant.evaluations[0].sees) > more(strict.evaluations[0].sees), "{by}: {:?}", tolerant.evaluations);
        }
    }

    #[test]
    fn what_of_latency_is_not_seen_is_said() {
        let of = |analysis: &str| foresee("{setWeight: 5}, {pause: {duration: 10m}}", analysis, USUAL).latency;
        let usual = Unseen { tolerance: LatencyTolerance::USUAL, warm_up: Span::seconds(10) };
        assert_eq!(of(""), Some(usual), "compared without analysis");
        let own = "  analysis: {warmUp: 1m, metrics: [{name: slow, latency: {noWorseThanStable: {by: 50%, atLeast: 0s}}}]}\n";
        let tolerance = LatencyTolerance { by: 50.0, at_least: Span::default() };
        assert_eq!(of(own), Some(Unseen { tolerance, warm_up: Span::seconds(60) }));
        assert_eq!(of("  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}}]}\n"), None);
    }

    #[test]
    fn a_release_of_seconds_waits_for_the_warm_up_and_no_longer() {
        let seen = foresee("{setWeight: 50}, {pause: {duration: 2s}}", "", USUAL);
        assert_eq!((&seen.end, &seen.warnings), (&End::Promoted, &Vec::new()));
        assert!(Span::seconds(10) < seen.lasts && seen.lasts < Span::seconds(20), "{:?}", seen.legs);
        let at_once = foresee("{setWeight: 50}, {pause: {duration: 2s}}", "  analysis: {warmUp: 0s}\n", USUAL);
        assert!(at_once.lasts < seen.lasts, "{:?}", at_once.legs);
    }

    /// One metric of the whole release, and steps.
    fn measured(metric: &str, steps: &str) -> Forecast {
        let metrics =
            format!("  analysis: {{metrics: [{{name: outside, prometheus: {{address: 'http://p', query: x}}, max: 1, {metric}}}]}}\n");
        foresee(steps, &metrics, USUAL)
    }

    fn made(seen: &Forecast, name: &str) -> Vec<(usize, u32)> {
        let one = seen.external_metrics.iter().find(|one| one.metric == name).unwrap();
        one.steps.iter().map(|one| (one.step, one.made)).collect()
    }

    #[test]
    fn metrics_from_outside_are_counted_step_by_step() {
        let own =
            "{analysis: {duration: 1m, metrics: [{name: own, web: {url: 'http://w'}, max: 1, interval: 30s, count: 5, failureLimit: 1}]}}";
        let steps = format!("{{setWeight: 5}}, {{pause: {{duration: 10m}}}}, {{setWeight: 50}}, {own}");
        let seen = measured("interval: 30s, initialDelay: 1m", &steps);
        // From the first request on, 603 s of the first weight; then the analysis lasts until `own` has all of its five.
        assert_eq!(made(&seen, "outside"), [(2, 19), (4, 4)]);
        assert_eq!(made(&seen, "own"), [(4, 5)]);
        assert_eq!((seen.external_metrics[1].failure_limit, &seen.end), (1, &End::Promoted));
        assert_eq!(seen.warnings.len(), 1, "{:?}", seen.warnings);
        assert!(seen.warnings[0].starts_with("step 4 (analysis 1m): own needs 2m until it can pass"), "{:?}", seen.warnings);
    }

    #[test]
    fn a_metric_that_is_measured_too_rarely_is_said() {
        let seen = measured("interval: 20m", "{setWeight: 5}, {pause: {duration: 10m}}, {setWeight: 50}, {pause: {duration: 30m}}");
        assert_eq!(made(&seen, "outside")[..2], [(1, 1), (2, 0)], "once as the release begins");
        assert!(
            seen.warnings.iter().any(|warning| warning.starts_with("step 2 (pause 10m): outside is not measured once")),
            "{:?}",
            seen.warnings
        );
        assert!(
            !seen.warnings.iter().any(|warning| warning.contains("sees nothing")),
            "errors are not looked at here: {:?}",
            seen.warnings
        );
    }
}
