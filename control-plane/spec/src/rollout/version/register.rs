//! Instances that register themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ProbeSpec;
use super::command::count;
use crate::plan::{Backend, RegisteredBackend};
use crate::problems::Problems;
use crate::time::Span;

/// `register`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterSpec {
    /// How many there must be before the version counts as ready. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
    /// A registration that is not renewed for this long ends. Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
}

/// When the manifest does not say it: three lost heartbeats of ten seconds.
const TTL: Span = Span::seconds(30);
/// Shorter ones end registrations of instances that are well, at the first slow moment.
const TTL_MIN: Span = Span::seconds(1);

impl RegisterSpec {
    /// With defaults, every problem noted. `path` is where the version stands in the manifest.
    pub(super) fn backend(
        &self,
        probe: Option<&ProbeSpec>,
        min_ready: Option<Span>,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Backend> {
        let backend = RegisteredBackend {
            instances: count(self.instances.unwrap_or(1), &format!("{path}.register.instances"), problems),
            ttl: self.ttl.unwrap_or(TTL),
            probe: probe.and_then(|probe| probe.check(&format!("{path}.probe"), problems)),
            min_ready: min_ready.unwrap_or_default(),
        };
        if backend.ttl < TTL_MIN {
            problems.add(format!("{path}.register.ttl"), format!("{} is too short: write {TTL_MIN} or more", backend.ttl));
        }
        Some(Backend::Registered(backend))
    }
}
