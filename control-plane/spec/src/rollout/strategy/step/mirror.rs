//! `mirror`: copies of requests go to the candidate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::matching::Match;
use shunt_filter_core::policy::MIRROR_BODY_MAX;

use crate::plan::{MirrorStep, Step};
use crate::rollout::Owner;
use crate::rollout::quantity::Size;
use crate::rollout::strategy::List;
use crate::schema::filter;

/// `mirror`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MirrorSpec {
    /// Percent of requests copied; 0 ends an earlier mirror. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Weight>")]
    pub weight: Option<Weight>,
    /// Any of these. Default: every request.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<filter::Match>>")]
    pub matches: Option<Vec<Match>>,
    /// Also methods other than GET, HEAD, OPTIONS. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsafe_methods: Option<bool>,
    /// Requests with a longer body are not copied. Default: 64KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<Size>,
}

/// Larger bodies could hang the original when the copy stalls: the proxy buffers no more than this.
const MAX_BODY: Size = Size::bytes(512 * 1024);

impl MirrorSpec {
    /// The step, every problem noted. `path` is where this stands in the manifest.
    pub(in crate::rollout::strategy) fn add(&self, path: &str, list: &mut List<'_>) {
        match list.terms.owner {
            Owner::Shunt => {}
            Owner::User => {
                return list
                    .refuse(path, "needs routes that Shunt owns: give the versions endpoints instead of cluster, or remove the step");
            }
            Owner::Flag => return list.refuse(path, "has no meaning for a feature flag, which routes nothing: remove it"),
        }
        let step = MirrorStep {
            weight: self.weight.unwrap_or(Weight::ALL),
            matches: self.matches.clone().unwrap_or_default(),
            unsafe_methods: self.unsafe_methods.unwrap_or(false),
            max_body_bytes: self.max_body.map_or(MIRROR_BODY_MAX, Size::value),
        };
        if let Some(why) = list.terms.no_mirror.clone().filter(|_| step.weight > Weight::ZERO) {
            list.refuse(path, format!("is forbidden by {why}: remove the step"));
        }
        if let Some(why) = list.terms.no_unsafe_methods.clone().filter(|_| step.unsafe_methods) {
            list.refuse(format!("{path}.unsafeMethods"), format!("is forbidden by {why}: remove it"));
        }
        if let Some(size) = self.max_body.filter(|size| *size > MAX_BODY) {
            let message = format!("{size} is too large, a stalled copy could hang the original: write {MAX_BODY} or less");
            list.refuse(format!("{path}.maxBody"), message);
        }
        list.push(path, Step::Mirror(step));
    }
}
