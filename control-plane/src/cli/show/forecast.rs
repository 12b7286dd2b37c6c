//! What a release will do: a row per step, a row per analysis, then what should be changed.

use shunt_core::Span;
use shunt_core::forecast::{End, Forecast, Leg, Look, Sight};

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
    if !forecast.looks.is_empty() {
        lines.push(String::new());
        lines.extend(looks(&forecast.looks, paint));
    }
    lines.extend(forecast.warnings.iter().map(|warning| format!("{} {}", paint.attention("warning"), tame(warning))));
    lines
}

fn steps(legs: &[Leg], paint: Paint) -> Vec<String> {
    let mut table = Table::new(paint, &["AT", "STEP", "", "TAKES", "WEIGHT", "USERS", ""], &[0, 1, 3, 4, 5]);
    for leg in legs {
        table.row([
            clock(leg.at),
            leg.step.map(|step| step.to_string()).unwrap_or_default(),
            leg.text.clone(),
            takes(leg.lasts),
            leg.weight.to_string(),
            count(leg.users),
            note(leg, paint),
        ]);
    }
    table.lines()
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

fn looks(looks: &[Look], paint: Paint) -> Vec<String> {
    let mut table = Table::new(paint, &["ANALYSIS", "FOR", "REQUESTS", "USERS", "SEES"], &[1, 2, 3]);
    for look in looks {
        table.row([format!("at {}", look.weight), takes(look.lasts), count(look.requests), count(look.users), sight(look.sees, paint)]);
    }
    table.lines()
}

fn sight(sees: Sight, paint: Paint) -> String {
    match sees {
        Sight::Points { more, within } => format!("{more}pp more failures, within {} {}", takes(within), paint.dim("(median)")),
        Sight::Nothing => paint.bad("nothing"),
    }
}
