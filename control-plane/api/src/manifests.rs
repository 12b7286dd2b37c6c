//! Deploying by HTTP: a Rollout's manifest is written into the config folder, or taken out of it.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use shunt_filter_core::RolloutId;
use shunt_spec::manifest::{Document, parse};
use shunt_spec::rollout::Rollout;

use crate::access::{Actor, Role};
use crate::app::{Accepted, App, ControlRequest};
use crate::body::ManifestText;
use crate::problem::Problem;
use crate::requests::submit;

/// `PUT /v1/rollouts/{namespace}/{name}`: one manifest, YAML or JSON, that names this Rollout. Answered once it is in force.
pub(crate) async fn put(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path((namespace, name)): Path<(String, String)>,
    ManifestText(text): ManifestText,
) -> Result<Json<Accepted>, Problem> {
    let (rollout, by) = (id(&namespace, &name)?, actor.by(""));
    programs(&text, &actor)?;
    Ok(Json(submit(&app, |reply| ControlRequest::Put { rollout, text, by, reply }).await?))
}

/// `DELETE /v1/rollouts/{namespace}/{name}`: the Rollout gives everybody back to stable first, then it goes.
pub(crate) async fn remove(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<Accepted>, Problem> {
    let (rollout, by) = (id(&namespace, &name)?, actor.by(""));
    Ok(Json(submit(&app, |reply| ControlRequest::Remove { rollout, by, reply }).await?))
}

/// A program runs as the control plane's user: who may start one may do all that the control plane may. A text that cannot be read
/// starts nothing.
fn programs(text: &str, actor: &Actor) -> Result<(), Problem> {
    if actor.role >= Role::Admin {
        return Ok(());
    }
    let documents = parse("", text).unwrap_or_default();
    let fields: Vec<String> = documents.iter().filter_map(Document::rollout).flat_map(Rollout::programs).collect();
    if fields.is_empty() { Ok(()) } else { Err(Problem::Programs { name: actor.name().to_owned(), has: actor.role, fields }) }
}

fn id(namespace: &str, name: &str) -> Result<RolloutId, Problem> {
    RolloutId::new(namespace, name).map_err(|error| Problem::Unreadable(error.to_string()))
}
