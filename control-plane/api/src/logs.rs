//! What instances write that Shunt runs as commands.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;
use shunt_spec::schema::filter;

use crate::app::{App, ControlRequest};
use crate::body::QueryParams;
use crate::problem::Problem;
use crate::requests::read;
use crate::rollouts::find;

/// Lines of each log when nothing is said.
const TAIL_DEFAULT: usize = 100;
/// Most lines of each log in one answer.
const TAIL_MAX: usize = 10_000;

/// `GET /v1/rollouts/{namespace}/{name}/logs`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logs {
    /// By version in the manifest's order, then by instance.
    pub logs: Vec<Log>,
}

/// A part of one instance's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// Of which version.
    #[schemars(with = "filter::VersionName")]
    pub version: VersionName,
    /// Of which instance.
    pub instance: u64,
    /// Whole lines, oldest first; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// What stands after the last line end; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unfinished: String,
    /// Where the next part begins, bytes: `after=INSTANCE:NEXT`.
    pub next: u64,
    /// Whether there is more already.
    pub more: bool,
}

/// Which logs, and which part of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogsWanted {
    /// Only of this version; none: of all.
    pub version: Option<VersionName>,
    /// Only of this instance; none: of all that are there.
    pub instance: Option<u64>,
    /// At most so many lines of each, from its end.
    pub tail: usize,
    /// By instance: what comes after so many bytes, instead of a tail.
    pub after: BTreeMap<u64, u64>,
}

/// `?version=&instance=&tail=&after=`
#[derive(Debug, Deserialize)]
pub(crate) struct LogsQuery {
    version: Option<VersionName>,
    instance: Option<u64>,
    tail: Option<usize>,
    after: Option<String>,
}

/// `GET /v1/rollouts/{namespace}/{name}/logs`
pub(crate) async fn get(
    State(app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
    QueryParams(query): QueryParams<LogsQuery>,
) -> Result<Json<Logs>, Problem> {
    let rollout = find(&app, &namespace, &name)?.view.id.clone();
    let LogsQuery { version, instance, tail, after } = query;
    let after = after.map_or(Ok(BTreeMap::new()), |text| places(&text))?;
    let wanted = LogsWanted { version, instance, tail: tail.unwrap_or(TAIL_DEFAULT).min(TAIL_MAX), after };
    Ok(Json(read(&app, |reply| ControlRequest::Logs { rollout, wanted, reply }).await?))
}

/// `7:1024,8:99`
fn places(text: &str) -> Result<BTreeMap<u64, u64>, Problem> {
    let place = |part: &str| {
        let (instance, next) = part.split_once(':')?;
        Some((instance.parse().ok()?, next.parse().ok()?))
    };
    let all: Option<BTreeMap<u64, u64>> = text.split(',').filter(|part| !part.is_empty()).map(place).collect();
    all.ok_or_else(|| {
        Problem::Unreadable(format!("after: {text:?} is not INSTANCE:NEXT,... as the answer before says, for example 7:1024,8:99"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_go_on() {
        assert_eq!(places("7:1024,8:99").unwrap(), BTreeMap::from([(7, 1_024), (8, 99)]));
        assert_eq!(places("").unwrap(), BTreeMap::new());
        assert!(places("7").is_err() && places("7:x").is_err() && places("7:-1").is_err());
    }
}
