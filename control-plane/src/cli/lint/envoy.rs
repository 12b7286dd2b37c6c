//! Is this Envoy set up right? What the filter, its configuration and the routes need of a bootstrap.

mod bootstrap;
mod filter;
mod manager;
mod plugin;
mod routes;
#[cfg(test)]
mod tests;
mod tree;
mod versions;

use serde::Serialize;
use shunt_spec::Plan;

use tree::At;

/// What a finding means for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Severity {
    /// Requests fail, go where they should not, or the filter does not work.
    Error,
    /// Works, and is probably not meant.
    Warning,
}

/// One thing to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Field of the bootstrap: `static_resources.listeners[0].name`.
    pub(crate) path: String,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.push(Severity::Error, at.path(), message);
    }

    fn warn(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.push(Severity::Warning, at.path(), message);
    }

    /// About a field that is not there.
    fn missing(&mut self, at: &At<'_>, field: &str, message: impl Into<String>) {
        self.push(Severity::Error, &at.below(field), message);
    }

    fn push(&mut self, severity: Severity, path: &str, message: impl Into<String>) {
        self.0.push(Finding { severity, path: path.to_owned(), message: message.into() });
    }
}

/// All findings, errors first, each kind in the order of the file; `plans` are the Rollouts whose versions are clusters of this Envoy. An error when the text is no bootstrap at all.
pub(crate) fn check(text: &str, plans: &[Plan]) -> anyhow::Result<Vec<Finding>> {
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) if text.trim_start().starts_with('{') => anyhow::bail!("it is not JSON: {error}"),
        Err(_) => serde_saphyr::from_str(text).map_err(|error| anyhow::anyhow!("it is not YAML: {error}"))?,
    };
    let root = At::root(&value);
    let known = ["static_resources", "dynamic_resources", "node", "admin"];
    anyhow::ensure!(
        known.iter().any(|field| root.field(field).is_some()),
        "it is no bootstrap of Envoy: none of {} is in it",
        known.join(", ")
    );
    let mut found = Findings::default();
    bootstrap::check(&root, plans, &mut found);
    found.0.sort_by_key(|finding| finding.severity);
    Ok(found.0)
}
