//! `blueGreen`: the candidate at full size beside stable, previewed, then everybody at once; the old one is kept warm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::matching::{Match, StringMatch};

use super::{AnalysisStepSpec, List};
use crate::plan::{PlannedRule, Role, Step};
use crate::rollout::service::host;
use crate::rollout::{Owner, rule};
use crate::schema::{ExactlyOne, filter};
use crate::time::Span;

/// All at once, with an analysis before and after.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlueGreenSpec {
    /// Who sees the candidate before everybody does. Default: no user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewSpec>,
    /// Wait for a pass of the analysis before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_promotion: Option<AnalysisStepSpec>,
    /// Whether it switches by itself, or waits until an operator promotes. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_promote: Option<bool>,
    /// It switches by itself after this long, or when an operator promotes earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_promote_after: Option<Span>,
    /// Wait for a pass of the analysis after the switch, while the old version is at full size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_promotion: Option<AnalysisStepSpec>,
}

/// Exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["match", "host"]))]
pub struct PreviewSpec {
    /// Any of these requests.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<filter::Match>>")]
    pub matches: Option<Vec<Match>>,
    /// Requests to this host, which becomes one of the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Name of the rule for the preview, in decisions and counters.
const RULE: &str = "preview";

impl BlueGreenSpec {
    pub(super) fn add(&self, path: &str, list: &mut List<'_>) {
        if list.terms.owner == Owner::Flag {
            return list
                .refuse(path, "has no meaning for a feature flag, which has no instances: write canary: {steps: [{setWeight: 100}]}");
        }
        if let Some(preview) = &self.preview {
            preview.add(&format!("{path}.preview"), list);
        }
        if let Some(analysis) = &self.pre_promotion {
            list.analysis(format!("{path}.prePromotion"), analysis);
        }
        self.wait(path, list);
        list.push(path, Step::SetWeight(Weight::ALL));
        if let Some(analysis) = &self.post_promotion {
            list.analysis(format!("{path}.postPromotion"), analysis);
        }
    }

    fn wait(&self, path: &str, list: &mut List<'_>) {
        let after = format!("{path}.autoPromoteAfter");
        match (self.auto_promote, self.auto_promote_after) {
            (Some(false), Some(_)) => list.refuse(after, "promotes by itself, and autoPromote is false: remove one of the two"),
            (_, Some(span)) if span == Span::default() => list.refuse(after, "0s does not wait: remove it"),
            (_, Some(span)) => list.push(after, Step::Pause(Some(span))),
            (Some(false), None) => list.push(format!("{path}.autoPromote"), Step::Pause(None)),
            (Some(true) | None, None) => {}
        }
    }
}

impl PreviewSpec {
    fn add(&self, path: &str, list: &mut List<'_>) {
        let matches = match (&self.matches, &self.host) {
            (Some(_), None) => rule::matches(self.matches.as_deref(), path, list.problems),
            (None, Some(written)) => {
                let at = format!("{path}.host");
                list.problems.take(&at, preview_host(written)).map(|host| vec![at_host(&host)])
            }
            (Some(_), Some(_)) => {
                list.refuse(path, "has match and host: keep one of them; for both write a rule in spec.rules");
                None
            }
            (None, None) => {
                list.refuse(path, "does not say who sees the preview: write match with at least one match, or host");
                None
            }
        };
        if let Some(other) = list.names.get(RULE) {
            let message = format!("{RULE:?} is the name of {other} too, and of the preview's rule: give that rule another name");
            return list.refuse(path, message);
        }
        list.names.insert(RULE.to_owned(), path.to_owned());
        let Some(matches) = matches else { return };
        let rule = PlannedRule { name: RULE.to_owned(), matches, version: None, role: Role::Candidate, weight: Weight::ALL };
        list.push(path, Step::Rule(rule));
    }
}

/// One host, without wildcard.
pub(crate) fn preview_host(written: &str) -> Result<String, String> {
    match host(written)? {
        host if host.starts_with('*') => Err(format!("{written:?} is many hosts: write the one at which the candidate is previewed")),
        host => Ok(host),
    }
}

/// Requests to this host, whatever their port.
fn at_host(host: &str) -> Match {
    let escaped: String =
        host.chars().flat_map(|c| (!c.is_ascii_alphanumeric() && c != '-').then_some('\\').into_iter().chain([c])).collect();
    let name = StringMatch { regex: Some(format!("(?i){escaped}\\.?(:[0-9]+)?")), ..StringMatch::default() };
    Match { headers: [(":authority".to_owned(), name)].into(), ..Match::default() }
}
