//! The tables, in Markdown.

use crate::interval::wilson;
use crate::scenario::{Goal, Metric, Scenario};
use crate::tally::{Figures, Tally};

/// Prints both tables; the goals that were missed.
pub(crate) fn print(scenarios: &[Scenario], tallies: &[Tally], runs: u64) -> Vec<String> {
    println!("{runs} simulated rollouts per row; intervals are 95 % (Wilson).\n");
    let rows = || scenarios.iter().zip(tallies);
    println!("| equal candidate | requests as independent | 95 %/5 min, 3 (1 h) | 99 %/1 min, 5 | false abort | goal | |");
    println!("|---|---|---|---|---|---|---|");
    for (scenario, tally) in rows().filter(|(scenario, _)| is_equal(scenario)) {
        println!("{}", equal(scenario, tally));
    }
    println!();
    println!(
        "| regression | 95 %/5 min, 3 (1 h): bad, caught | 99 %/1 min, 5: bad, caught | bad served: mean | 95th percentile | median s | caught in 10 min | goal | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (scenario, tally) in rows().filter(|(scenario, _)| !is_equal(scenario)) {
        println!("{}", regression(scenario, tally));
    }
    rows().filter_map(|(scenario, tally)| missed(scenario, tally)).collect()
}

fn is_equal(scenario: &Scenario) -> bool {
    matches!(scenario.goal, Goal::FalseAborts(_))
}

fn equal(scenario: &Scenario, tally: &Tally) -> String {
    let [recipe, independent, minute, five_minutes] = figures(tally);
    let others = match scenario.world.metric {
        Metric::Errors => format!("{} | {} | {}", percent(independent.share()), percent(five_minutes.share()), percent(minute.share())),
        Metric::Latency => "- | - | -".to_owned(),
    };
    let (low, high) = wilson(recipe.aborted(), tally.runs());
    let own = format!("{} ({} to {})", percent(recipe.share()), percent(low), percent(high));
    format!("| {} | {others} | {own} | {} | {} |", scenario.name, goal(scenario.goal), met(scenario, tally))
}

fn regression(scenario: &Scenario, tally: &Tally) -> String {
    let [recipe, _, minute, five_minutes] = figures(tally);
    let fixed = |figures: &Figures| match scenario.world.metric {
        Metric::Errors => format!("{:.0}, {}", figures.mean_bad(), percent(figures.share())),
        Metric::Latency => "-".to_owned(),
    };
    let bad = match scenario.world.metric {
        Metric::Errors => format!("{:.1} | {}", recipe.mean_bad(), recipe.high_bad()),
        Metric::Latency => "- | -".to_owned(),
    };
    let (low, high) = wilson(recipe.aborted(), tally.runs());
    let caught = format!("{} ({} to {})", percent(recipe.share()), percent(low), percent(high));
    let median = recipe.median().map_or_else(|| "-".to_owned(), |seconds| seconds.to_string());
    let (five_minutes, minute) = (fixed(&five_minutes), fixed(&minute));
    let end = format!("{} | {}", goal(scenario.goal), met(scenario, tally));
    format!("| {} | {five_minutes} | {minute} | {bad} | {median} | {caught} | {end} |", scenario.name)
}

fn figures(tally: &Tally) -> [Figures; 4] {
    [tally.of(|o| o.recipe), tally.of(|o| o.independent), tally.of(|o| o.minute), tally.of(|o| o.five_minutes)]
}

fn goal(goal: Goal) -> String {
    match goal {
        Goal::FalseAborts(most) => format!("≤ {:.0} %", 100.0 * most),
        Goal::Served(most) => format!("≤ {most:.0} bad"),
        Goal::Caught(least) => format!("≥ {:.0} % caught", 100.0 * least),
        Goal::Shown => "weak spot".to_owned(),
    }
}

fn met(scenario: &Scenario, tally: &Tally) -> &'static str {
    if missed(scenario, tally).is_some() { "missed" } else { "" }
}

fn missed(scenario: &Scenario, tally: &Tally) -> Option<String> {
    let recipe = tally.of(|outcome| outcome.recipe);
    let (missed, measured) = match scenario.goal {
        Goal::FalseAborts(most) => (recipe.share() > most, percent(recipe.share())),
        Goal::Served(most) => (recipe.mean_bad() > most, format!("{:.1}", recipe.mean_bad())),
        Goal::Caught(least) => (recipe.share() < least, percent(recipe.share())),
        Goal::Shown => (false, String::new()),
    };
    missed.then(|| format!("{}: {measured}, goal {}", scenario.name, goal(scenario.goal)))
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent > 0.0 && percent < 1.0 { format!("{percent:.2} %") } else { format!("{percent:.1} %") }
}
