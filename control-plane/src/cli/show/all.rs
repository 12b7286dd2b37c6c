//! All Rollouts: one row each.

use jiff::tz::TimeZone;
use shunt_api::Severity;
use shunt_api::rollouts::RolloutList;
use shunt_core::status::{RolloutStatus, VersionStatus};
use shunt_spec::Time;

use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;
use crate::cli::text::{percent, time, weight};

const NOTHING: &str = "-";

/// A row per Rollout, what is wrong with manifests below.
pub(crate) fn table(list: &RolloutList, paint: Paint) -> Vec<String> {
    let mut lines = if list.rollouts.is_empty() {
        vec!["No Rollouts: put a manifest into the folder given by `shunt serve --config`.".to_owned()]
    } else {
        let heading = ["ROLLOUT", "PHASE", "STABLE", "CANDIDATE", "STEP", "WEIGHT", "SHARE", "MESSAGE"];
        let mut table = Table::new(paint, &heading, &[5, 6]);
        list.rollouts.iter().for_each(|view| table.row(row(view, paint)));
        table.lines()
    };
    lines.extend(notes(list, paint));
    lines
}

/// What is wrong with Rollouts and manifests.
fn notes(list: &RolloutList, paint: Paint) -> Vec<String> {
    // What concerns the control plane as a whole stands in each view, and is said above.
    let noticed = |warning: &&String| list.notices.iter().any(|notice| notice.message == **warning);
    let of = |view: &RolloutStatus| -> Vec<String> {
        view.warnings
            .iter()
            .filter(|warning| !noticed(warning))
            .map(|warning| format!("{} {}: {}", paint.attention("warning"), view.id, tame(warning)))
            .collect()
    };
    let notices = list.notices.iter().map(|notice| match notice.severity {
        Severity::Warning => format!("{} {}", paint.attention("warning"), tame(&notice.message)),
        Severity::NotReady => format!("{} {}", paint.bad("not ready"), tame(&notice.message)),
    });
    let problems = list.problems.iter().map(|problem| format!("{} {}", paint.bad("manifest"), tame(&problem.to_string())));
    notices.chain(list.rollouts.iter().flat_map(of)).chain(problems).collect()
}

/// For a terminal that may be narrow: the message below each row, and with it what holds a release up.
pub(crate) fn narrow(list: &RolloutList, paint: Paint, now: Time, zone: &TimeZone) -> Vec<String> {
    if list.rollouts.is_empty() {
        return table(list, paint);
    }
    let mut lines: Vec<String> = frozen(&list.rollouts, paint).into_iter().collect();
    let mut table = Table::new(paint, &["ROLLOUT", "PHASE", "STABLE", "CANDIDATE", "STEP", "WEIGHT", "SHARE"], &[5, 6]);
    list.rollouts.iter().for_each(|view| table.row(row(view, paint).into_iter().take(7)));
    let mut rows = table.lines().into_iter();
    lines.extend(rows.next());
    for (row, view) in rows.zip(&list.rollouts) {
        lines.push(row);
        lines.push(format!("  {}", tame(&view.message)));
        lines.extend(window(view, now, zone).map(|line| format!("  {line}")));
    }
    lines.extend(notes(list, paint));
    lines
}

/// That all releases are frozen, by whom and why: once for all Rollouts.
pub(crate) fn frozen(views: &[RolloutStatus], paint: Paint) -> Option<String> {
    let why = views.iter().find_map(|view| view.frozen.as_ref())?;
    Some(format!("{} {}; `shunt unfreeze` ends it", paint.attention("all releases are frozen"), tame(why)))
}

/// When the next window opens, while none is open.
pub(crate) fn window(view: &RolloutStatus, now: Time, zone: &TimeZone) -> Option<String> {
    view.opens.map(|at| format!("the next window opens {}, in {}", time(at, zone), at.since(now).text()))
}

fn row(view: &RolloutStatus, paint: Paint) -> Vec<String> {
    let candidate = view.candidate.as_ref().and_then(|name| view.versions.iter().find(|version| version.name == *name));
    let text = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    vec![
        view.id.to_string(),
        paint.phase(view.phase),
        view.stable.to_string(),
        text(view.candidate.as_ref().map(ToString::to_string)),
        text(view.step.as_ref().map(|step| format!("{}/{} {}", step.number, step.of, step.text))),
        text(candidate.map(|version| weight(version.weight))),
        text(candidate.and_then(share)),
        tame(&view.message),
    ]
}

/// The measured share of requests, if there were any.
pub(crate) fn share(version: &VersionStatus) -> Option<String> {
    version.share.map(percent)
}
