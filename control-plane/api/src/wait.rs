//! One Rollout, at once or when it is in a phase that the caller waits for.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use shunt_core::Phase;
use shunt_core::status::RolloutStatus;
use shunt_filter_core::VersionName;
use shunt_spec::Span;
use tokio::time::timeout;

use crate::app::App;
use crate::body::QueryParams;
use crate::problem::Problem;
use crate::rollouts::find;

/// How long a caller waits who does not say how long.
const WAIT: Span = Span::seconds(30);
/// How long a caller may wait in one request.
const WAIT_MAX: Span = Span::seconds(300);

/// `?wait=Healthy,Degraded&stable=v2&after=7&timeout=60s`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitQuery {
    wait: Option<String>,
    stable: Option<VersionName>,
    after: Option<u64>,
    timeout: Option<Span>,
}

/// What is waited for.
struct Wanted {
    phases: Vec<Phase>,
    stable: Option<VersionName>,
    after: Option<u64>,
}

impl Wanted {
    fn of(query: &WaitQuery) -> Result<Self, Problem> {
        let phases = query.wait.iter().flat_map(|all| all.split(',')).map(phase).collect::<Result<_, _>>()?;
        Ok(Self { phases, stable: query.stable.clone(), after: query.after })
    }

    /// Healthy is only who has what its manifest asks for: a release that has not begun yet is no end of it. Degraded is only who has no
    /// key left on what was refused.
    fn is(&self, view: &RolloutStatus) -> bool {
        let settled = match view.phase {
            Phase::Healthy => view.stable == view.release,
            Phase::Degraded => view.is_over(),
            Phase::Progressing | Phase::Paused | Phase::Rejected => true,
        };
        (self.phases.is_empty() || (settled && self.phases.contains(&view.phase)))
            && self.stable.as_ref().is_none_or(|stable| *stable == view.stable)
            && self.after.is_none_or(|after| view.revision > after)
    }
}

fn phase(text: &str) -> Result<Phase, Problem> {
    let wrong = |_| Problem::Unreadable(format!("wait: {text:?} is not a phase: Healthy, Progressing, Paused, Degraded, Rejected"));
    serde_json::from_value(text.trim().into()).map_err(wrong)
}

/// `GET /v1/rollouts/{namespace}/{name}`, with `?wait=` answered once it is in one of these phases.
pub(crate) async fn get(
    State(mut app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
    QueryParams(query): QueryParams<WaitQuery>,
) -> Result<Json<RolloutStatus>, Problem> {
    let wanted = Wanted::of(&query)?;
    let limit = query.timeout.unwrap_or(WAIT).min(WAIT_MAX);
    let waiting = async {
        loop {
            app.rollouts.mark_unchanged();
            let view = find(&app, &namespace, &name)?.view.clone();
            if wanted.is(&view) {
                return Ok(view);
            }
            tokio::select! {
                changed = app.rollouts.changed() => changed.map_err(|_| Problem::NoAnswer)?,
                _ = app.stopping.wait_for(|stopping| *stopping) => return Err(Problem::NoAnswer),
            }
        }
    };
    if let Ok(view) = timeout(Duration::from_millis(limit.0), waiting).await {
        return view.map(Json);
    }
    let view = &find(&app, &namespace, &name)?.view;
    Err(Problem::NotYet(format!("{} after {limit}: {:?}, {}", view.id, view.phase, view.message)))
}
