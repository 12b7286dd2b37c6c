//! What a release will do: a row per step, a row per analysis, then what should be changed.

use shunt_core::forecast::{Downtime, End, Forecast, Leg, Measuring, Sight, Tells, Unseen};
use shunt_filter_core::Weight;
use shunt_spec::Span;
use shunt_spec::plan::StepKind;
use shunt_spec::plan::metric::LatencyTolerance;

use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;
use crate::cli::text::{count, percent, span};

/// The whole picture.
pub(crate) fn lines(forecast: &Forecast, paint: Paint) -> Vec<String> {
    let Forecast { rollout, from, to, traffic, .. } = forecast;
    let rate = if traffic.rate >= 1.0 {
        format!("{}/s", count(traffic.rate.round() as u64))
    } else {
        format!("{}/m", (traffic.rate * 600.0).round() / 10.0)
    };
    let mut lines = vec![
        format!("{}  {from} → {}", paint.bold(&rollout.to_string()), paint.bold(to.as_str())),
        paint.dim(&format!(
            "  {rate} from {} users, {} of requests fail at either version",
            count(u64::from(traffic.users)),
            percent(traffic.errors * 100.0)
        )),
    ];
    lines.extend(steps(&forecast.legs, paint));
    lines.push(ending(forecast, paint));
    lines.extend(forecast.downtime.as_ref().map(|down| downtime(down, paint)));
    if forecast.max_exposed < Weight::ALL {
        lines.push(paint.dim(&format!(
            "  no weight above {} (maxExposed) before the analysis has passed once; no traffic is no pass",
            forecast.max_exposed
        )));
    }
    if !forecast.evaluations.is_empty() {
        lines.push(String::new());
        lines.extend(evaluations(forecast, paint));
    }
    if !forecast.external_metrics.is_empty() {
        lines.push(String::new());
        lines.extend(external_metrics(&forecast.external_metrics, paint));
    }
    if !forecast.tests.is_empty() {
        lines.push(String::new());
        lines.extend(tests(forecast, paint));
    }
    lines.extend(forecast.warnings.iter().map(|warning| format!("{} {}", paint.attention("warning"), tame(warning))));
    lines
}

fn steps(legs: &[Leg], paint: Paint) -> Vec<String> {
    let mut table = Table::new(paint, &["AT", "STEP", "", "TAKES", "WEIGHT", "USERS", ""], &[0, 1, 3, 4, 5]);
    let mut rest = legs;
    while let Some((leg, after)) = rest.split_first() {
        rest = match ramp(rest) {
            Some((ramp, after)) => {
                table.row(row(&ramp, paint));
                after
            }
            None => {
                let number = leg.step.map(|step| step.to_string()).unwrap_or_default();
                table.row(row(&Row { number, text: leg.text.clone(), lasts: leg.lasts, first: leg, last: leg }, paint));
                after
            }
        };
    }
    table.lines()
}

/// What stands in one line: a part of the way, or several that follow each other.
struct Row<'l> {
    number: String,
    text: String,
    lasts: Span,
    first: &'l Leg,
    last: &'l Leg,
}

fn row(row: &Row<'_>, paint: Paint) -> [String; 7] {
    let Row { number, text, lasts, first, last } = row;
    let (weight, users) = (last.weight.to_string(), count(last.users));
    [clock(first.at), number.clone(), text.clone(), takes(*lasts), weight, users, note(first, paint)]
}

/// A ramp at the beginning of these: at least three weights, each followed by the same pause, and no leg waits for anything. Also
/// what follows it.
fn ramp(legs: &[Leg]) -> Option<(Row<'_>, &[Leg])> {
    let (first, pause) = (legs.first()?, legs.get(1)?);
    let like = |pair: &[Leg]| match pair {
        [weight, rest] => {
            let free = weight.waits.is_none() && rest.waits.is_none() && weight.proof == first.proof;
            free && weight.kind == Some(StepKind::SetWeight) && rest.kind == Some(StepKind::Pause) && rest.lasts == pause.lasts
        }
        _ => false,
    };
    let weights = legs.chunks_exact(2).take_while(|pair| like(pair)).count();
    let (ramp, after) = legs.split_at_checked(2 * weights).filter(|_| weights >= 3)?;
    let last = ramp.last()?;
    let number = format!("{}-{}", first.step?, last.step?);
    let text = format!("setWeight {} to {} in {weights} steps, {} each", first.weight, last.weight, pause.text);
    let lasts = Span(ramp.iter().map(|leg| leg.lasts.0).sum());
    Some((Row { number, text, lasts, first, last }, after))
}

/// `+0:00`, `+1:05:00`, `+2d 4:00:00`
fn clock(at: Span) -> String {
    let seconds = at.0 / 1_000;
    let (days, hours, minutes, seconds) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("+{minutes}:{seconds:02}"),
        (0, hours) => format!("+{hours}:{minutes:02}:{seconds:02}"),
        (days, hours) => format!("+{days}d {hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Whole seconds: the model knows no shorter ones.
fn takes(lasts: Span) -> String {
    if lasts < Span::seconds(10) { format!("{}s", lasts.0 / 1_000) } else { span(lasts) }
}

fn note(leg: &Leg, paint: Paint) -> String {
    let mut notes = Vec::new();
    if leg.proof > Span::default() {
        notes.push(paint.dim(&format!("proof {}", takes(leg.proof))));
    }
    notes.extend(leg.waits.as_ref().map(|why| paint.attention(&format!("waits: {}", tame(why)))));
    notes.join("  ")
}

fn ending(forecast: &Forecast, paint: Paint) -> String {
    let lasts = span(forecast.lasts);
    match &forecast.end {
        End::Promoted => format!("{} after {lasts}", paint.good("promoted")),
        End::Concluded(result) => format!("{} after {lasts}: {}", paint.good("over"), tame(result)),
        End::Refused(reason) => format!("{} after {lasts}: {}", paint.bad("refused"), tame(reason)),
        End::Stuck(reason) => format!("{} after {lasts}: {}", paint.bad("stuck"), tame(reason)),
    }
}

fn downtime(down: &Downtime, paint: Paint) -> String {
    let Downtime { from_step, lasts, at_most, then } = down;
    let told = paint.attention("users get 503");
    format!(
        "{told} from step {from_step} on, here for {}; for at most {} until the new version is ready, and then until {then} has started again",
        takes(*lasts),
        takes(*at_most)
    )
}

fn evaluations(Forecast { evaluations, tolerance, latency, .. }: &Forecast, paint: Paint) -> Vec<String> {
    let mut table = Table::new(paint, &["ANALYSIS", "FOR", "REQUESTS", "USERS", "SEES"], &[1, 2, 3]);
    for evaluation in evaluations {
        let mut sees = sight(evaluation.sees, paint);
        if let (Some(tolerance), Some(without)) = (tolerance, evaluation.without) {
            sees = format!("{sees}; without {tolerance} allowed {}", sight(without, paint));
        }
        table.row([
            format!("at {}", evaluation.weight),
            takes(evaluation.lasts),
            count(evaluation.requests),
            count(evaluation.users),
            sees,
        ]);
    }
    let mut lines = table.lines();
    lines.extend(latency.filter(|_| !evaluations.is_empty()).map(|unseen| paint.dim(&hidden(unseen))));
    lines
}

/// What the comparison of latency does not see.
fn hidden(Unseen { tolerance, warm_up }: Unseen) -> String {
    let allowed = match tolerance {
        LatencyTolerance::NONE => "every difference counts".to_owned(),
        tolerance => format!("slower than stable by {tolerance} is allowed, and not seen"),
    };
    let unjudged =
        if warm_up > Span::default() { format!("; nor is what is slow in the first {warm_up} of new instances") } else { String::new() };
    format!("latency: {allowed}{unjudged}")
}

fn tests(forecast: &Forecast, paint: Paint) -> Vec<String> {
    let mut table = Table::new(paint, &["A/B TEST", "FOR", "USERS", "SMALLEST ARM", "TELLS"], &[1, 2, 3]);
    for test in &forecast.tests {
        let rate = percent(forecast.traffic.goals * 100.0);
        let tells = match test.tells {
            Tells::Points(more) => {
                format!("{more}pp more of {} {}", test.goal, paint.dim(&format!("({rate} reach it at {})", forecast.from)))
            }
            Tells::Nothing => paint.bad("nothing"),
            Tells::Variance => format!("what the variance of {} allows", test.goal),
        };
        table.row([format!("step {}", test.step), takes(test.lasts), count(test.users), count(test.of_smallest_arm), tells]);
    }
    table.lines()
}

fn sight(sees: Sight, paint: Paint) -> String {
    match sees {
        Sight::Points { more, within } => format!("{more}pp more failures, within {} {}", takes(within), paint.dim("(median)")),
        Sight::Nothing => paint.bad("nothing"),
    }
}

fn external_metrics(all: &[Measuring], paint: Paint) -> Vec<String> {
    let mut table = Table::new(paint, &["METRIC", "MEASURED", "IN STEP", ""], &[]);
    for one in all {
        let first = if one.initial_delay > Span::default() { format!(", first after {}", one.initial_delay) } else { String::new() };
        let times = one.count.map(|count| format!(", {count} times")).unwrap_or_default();
        table.row([one.metric.clone(), format!("every {}{first}{times}", one.interval), in_steps(one), limits(one, paint)]);
    }
    table.lines()
}

/// `2: 20, 5 to 9: 2 each`; steps with equal numbers together.
fn in_steps(one: &Measuring) -> String {
    let runs = one.steps.chunk_by(|a, b| a.made == b.made);
    let texts: Vec<String> = runs
        .filter_map(|run| match (run.first()?, run.last()?) {
            (first, last) if first.step == last.step => Some(format!("{}: {}", first.step, first.made)),
            (first, last) => Some(format!("{} to {}: {} each", first.step, last.step, first.made)),
        })
        .collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

/// What ends the release, or holds it.
fn limits(one: &Measuring, paint: Paint) -> String {
    if one.dry_run {
        return paint.dim("dry run: decides nothing");
    }
    let text = format!(
        "fails with {} bad or {} errors in a row, held with {} inconclusive",
        u64::from(one.failure_limit) + 1,
        u64::from(one.consecutive_error_limit) + 1,
        u64::from(one.inconclusive_limit) + 1
    );
    paint.dim(&text)
}
