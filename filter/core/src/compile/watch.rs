//! What is counted while an analysis runs.

use crate::at::At;
use crate::compile::split::Find;
use crate::compile::{PolicyError, Problem};
use crate::limits;
use crate::policy::{Flag, ServicePolicy};
use crate::watch::Watch;

/// Of a service.
#[inline(never)]
pub(super) fn of_service(raw: &ServicePolicy, find: Find<'_>, at: &At<'_>) -> Result<Watch, PolicyError> {
    let ServicePolicy { epoch, analysis, latency, tolerance, responses, hang_after_ms, .. } = raw;
    let (latency, tolerance, responses) = (latency.clone(), tolerance.clone(), responses.clone());
    check(Watch { epoch: *epoch, analysis: *analysis, latency, tolerance, responses, hang_after_ms: *hang_after_ms }, find, at)
}

/// Of a flag.
#[inline(never)]
pub(super) fn of_flag(raw: &Flag, find: Find<'_>, at: &At<'_>) -> Result<Watch, PolicyError> {
    let Flag { epoch, analysis, latency, tolerance, responses, hang_after_ms, .. } = raw;
    let (latency, tolerance, responses) = (latency.clone(), tolerance.clone(), responses.clone());
    check(Watch { epoch: *epoch, analysis: *analysis, latency, tolerance, responses, hang_after_ms: *hang_after_ms }, find, at)
}

fn check(watch: Watch, find: Find<'_>, at: &At<'_>) -> Result<Watch, PolicyError> {
    if let Some(tolerance) = &watch.tolerance {
        find(&tolerance.version, &at.field("tolerance").field("version"))?;
    }
    if let Some(latency) = &watch.latency {
        find(&latency.version, &at.field("latency").field("version"))?;
    }
    if let Some(responses) = &watch.responses {
        let at = at.field("responses");
        at.field("classes").bound(responses.classes.len(), limits::STATUSES)?;
        at.field("ignore").bound(responses.ignore.len(), limits::STATUSES)?;
        at.field("ignoreGrpc").bound(responses.ignore_grpc.len(), limits::STATUSES)?;
    }
    match watch.hang_after_ms {
        Some(after) if !limits::PERIOD_MS.contains(&after) => Err(at.field("hangAfterMs").wrong(Problem::Period(after))),
        _ => Ok(watch),
    }
}
