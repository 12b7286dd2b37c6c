//! The source of a goal: a server as metrics have it, asked for several figures.

use super::Around;
use super::source::{PrometheusSpec, WebSpec, differs};
use crate::plan::external_metrics::{Check, Source, check_path};
use crate::problems::Problems;

/// A question: PromQL, or a place in a JSON answer.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'s> {
    /// Where it stands in the manifest.
    pub(crate) path: String,
    /// As written.
    pub(crate) text: &'s str,
}

/// Nothing is judged here.
const ANY: Check = Check::Limits { min: None, max: None };

/// The source, every problem noted. `path` is the goal's.
pub(crate) fn goal_source(
    path: &str,
    prometheus: Option<&PrometheusSpec>,
    web: Option<&WebSpec>,
    asks: &[Ask<'_>],
    around: &Around<'_>,
    problems: &mut Problems,
) -> Option<Source> {
    match (prometheus, web) {
        (Some(prometheus), _) => of_prometheus(prometheus, &format!("{path}.prometheus"), asks, around, problems),
        (None, Some(web)) => of_web(web, &format!("{path}.web"), asks, around, problems),
        (None, None) => None,
    }
}

fn of_prometheus(spec: &PrometheusSpec, path: &str, asks: &[Ask<'_>], around: &Around<'_>, problems: &mut Problems) -> Option<Source> {
    for (field, written) in [("query", spec.query.is_some()), ("baseline", spec.baseline.is_some())] {
        if written {
            problems.add(
                format!("{path}.{field}"),
                "is for metrics: a goal has its queries beside prometheus, in users and successes, or users, mean and variance",
            );
        }
    }
    for Ask { path, text } in asks {
        if !differs(text, path, around, problems) {
            problems.add(path, "is the same for all versions: write {{version}} in it, for example in a label");
        }
    }
    // Whatever it is, it is replaced by each question.
    let query = asks.first().map_or("0", |ask| ask.text).to_owned();
    PrometheusSpec { query: Some(query), baseline: None, ..spec.clone() }.source(path, &ANY, around, problems)
}

fn of_web(spec: &WebSpec, path: &str, asks: &[Ask<'_>], around: &Around<'_>, problems: &mut Problems) -> Option<Source> {
    if spec.json_path.is_some() {
        problems.add(
            format!("{path}.jsonPath"),
            "is for metrics: a goal has its places beside web, in users and successes, or users, mean and variance",
        );
    }
    for Ask { path, text } in asks {
        problems.take(path, check_path(text));
    }
    let texts = spec.url.iter().chain(&spec.body).chain(spec.headers.iter().flat_map(|headers| headers.values()));
    if !texts.fold(false, |one, text| one | differs(text, path, around, &mut Problems::new())) {
        problems.add(path, "asks the same for all versions: write {{version}} in url, body or a header");
    }
    WebSpec { json_path: None, ..spec.clone() }.source(path, &ANY, around, problems)
}
