//! All Rollouts: one row each.

use shunt_api::Severity;
use shunt_api::rollouts::RolloutList;
use shunt_core::status::{RolloutView, VersionView};

use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;
use crate::cli::text::{percent, weight};

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
    lines.extend(list.notices.iter().map(|notice| match notice.severity {
        Severity::Warning => format!("{} {}", paint.attention("warning"), tame(&notice.message)),
        Severity::NotReady => format!("{} {}", paint.bad("not ready"), tame(&notice.message)),
    }));
    // What concerns the control plane as a whole stands in each view, and was said above.
    let noticed = |warning: &&String| list.notices.iter().any(|notice| notice.message == **warning);
    for view in &list.rollouts {
        lines.extend(
            view.warnings
                .iter()
                .filter(|warning| !noticed(warning))
                .map(|warning| format!("{} {}: {}", paint.attention("warning"), view.id, tame(warning))),
        );
    }
    lines.extend(list.problems.iter().map(|problem| format!("{} {}", paint.bad("manifest"), tame(&problem.to_string()))));
    lines
}

fn row(view: &RolloutView, paint: Paint) -> Vec<String> {
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
pub(crate) fn share(version: &VersionView) -> Option<String> {
    version.share.map(percent)
}
