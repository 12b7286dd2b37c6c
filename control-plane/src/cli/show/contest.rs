//! How an A/B test stands: each version in each goal.

use shunt_core::contest::Contest;
use shunt_filter_core::VersionName;

use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;

/// Goal by goal, the control first: users who reached it, and by how much an arm differs, with an interval that holds at every evaluation.
pub(super) fn rows(contest: &Contest, stable: &VersionName, paint: Paint) -> Vec<String> {
    let mut table = Table::bare(&[]);
    let mut goals: Vec<&str> = Vec::new();
    for effect in &contest.effects {
        if !goals.contains(&effect.goal.as_str()) {
            goals.push(&effect.goal);
        }
    }
    for goal in goals {
        let of_goal: Vec<_> = contest.effects.iter().filter(|effect| effect.goal == goal).collect();
        let baseline = of_goal.first().map(|effect| effect.baseline.clone()).unwrap_or_default();
        table.row([tame(goal), stable.to_string(), baseline, paint.dim("compared with")]);
        for effect in of_goal {
            table.row([tame(goal), effect.version.to_string(), effect.value.clone(), effect.interval()]);
        }
    }
    table.lines()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_core::contest::{ContestOutcome, Effect, Unit};

    fn effect(version: &str, goal: &str, value: &str, baseline: &str, numbers: [f64; 3]) -> Effect {
        let (version, goal) = (version.parse().unwrap(), goal.to_owned());
        let [difference, low, high] = numbers;
        Effect { version, goal, value: value.to_owned(), baseline: baseline.to_owned(), unit: Unit::Points, difference, low, high }
    }

    #[test]
    fn each_version_has_its_line_in_each_goal() {
        let effects = vec![
            effect("v2", "purchase", "70 of 1203 (5.8 %)", "48 of 1190 (4.0 %)", [1.8, 0.2, 3.4]),
            effect("v2", "search", "600 of 1203 (49.9 %)", "601 of 1190 (50.5 %)", [-0.6, -4.0, 2.8]),
            effect("v3", "purchase", "41 of 1198 (3.4 %)", "48 of 1190 (4.0 %)", [-0.6, -2.1, 0.9]),
            effect("v3", "search", "580 of 1198 (48.4 %)", "601 of 1190 (50.5 %)", [-2.1, -5.5, 1.3]),
        ];
        let contest = Contest { outcome: ContestOutcome::NotEnoughData, message: String::new(), effects };
        assert_eq!(
            rows(&contest, &"v1".parse().unwrap(), Paint::Plain),
            [
                "purchase  v1  48 of 1190 (4.0 %)    compared with",
                "purchase  v2  70 of 1203 (5.8 %)    +1.8 points (+0.2 to +3.4)",
                "purchase  v3  41 of 1198 (3.4 %)    -0.6 points (-2.1 to +0.9)",
                "search    v1  601 of 1190 (50.5 %)  compared with",
                "search    v2  600 of 1203 (49.9 %)  -0.6 points (-4.0 to +2.8)",
                "search    v3  580 of 1198 (48.4 %)  -2.1 points (-5.5 to +1.3)",
            ]
        );
    }
}
