//! `kind: AnalysisTemplate`: metrics with arguments, written once and used by many Rollouts.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Around, MetricSpec, library};
use crate::manifest::Document;
use crate::plan::external_metrics::{fill, placeholders};
use crate::problems::Problems;
use crate::rollout::Owner;

/// Named metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisTemplate {
    /// Its name.
    pub name: String,
    /// Whose Rollouts may use it; none: all.
    pub namespace: Option<String>,
    /// What it says.
    pub spec: AnalysisTemplateSpec,
}

/// `spec` of an AnalysisTemplate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisTemplateSpec {
    /// What `{{args.NAME}}` stands for in the texts of its metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<ArgSpec>>,
    /// Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub metrics: Option<Vec<MetricSpec>>,
}

/// One argument.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArgSpec {
    /// Its name. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Used where a Rollout says nothing. Without it, every Rollout must say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A template in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateUse {
    /// Its name. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Values of its arguments, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<BTreeMap<String, String>>,
}

/// All templates that there are.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    written: Vec<AnalysisTemplate>,
}

impl Templates {
    /// Only the built-in ones.
    pub(crate) const fn none() -> Self {
        Self { written: Vec::new() }
    }

    /// Those among these documents; the built-in ones are always there.
    pub fn of(documents: &[Document]) -> Self {
        Self { written: documents.iter().filter_map(Document::analysis_template).cloned().collect() }
    }

    /// A namespace's own comes before one for all, and both before a built-in one.
    fn find(&self, namespace: &str, name: &str) -> Option<AnalysisTemplate> {
        let named = || self.written.iter().filter(|template| template.name == name);
        let own = named().find(|template| template.namespace.as_deref() == Some(namespace));
        own.or_else(|| named().find(|template| template.namespace.is_none())).cloned().or_else(|| library::find(name))
    }

    fn names(&self, namespace: &str) -> Vec<String> {
        let usable = |template: &&AnalysisTemplate| template.namespace.as_deref().is_none_or(|own| own == namespace);
        let written = self.written.iter().filter(usable).map(|template| template.name.clone());
        written.chain(library::NAMES.iter().map(|name| (*name).to_owned())).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl AnalysisTemplate {
    /// Notes what can be known to be wrong before it is used.
    pub(crate) fn check(&self, problems: &mut Problems) {
        let mut declared = BTreeSet::new();
        let mut open = false;
        for (index, arg) in self.spec.args.iter().flatten().enumerate() {
            let path = format!("spec.args[{index}].name");
            match arg.name.as_deref() {
                None | Some("") => problems.add(path, "is missing: write the name that stands in {{args.NAME}}"),
                Some(name) if !declared.insert(name.to_owned()) => problems.add(path, format!("{name:?} names two arguments")),
                Some(_) => open |= arg.value.is_none(),
            }
        }
        let Some(metrics) = self.spec.metrics.as_ref().filter(|metrics| !metrics.is_empty()) else {
            problems.add("spec.metrics", "is missing or empty: a template has at least one metric");
            return;
        };
        for (index, metric) in metrics.iter().enumerate() {
            let path = format!("spec.metrics[{index}]");
            let texts = serde_json::to_value(metric).unwrap_or_default();
            for name in asked(&texts).into_iter().filter(|name| !declared.contains(name)) {
                problems.add(&path, format!("{{{{args.{name}}}}} is not declared: add {{name: {name}}} to spec.args"));
            }
        }
        // With all arguments known, everything else is known too.
        if !open && problems.is_empty() {
            let around = Around::of(Owner::Shunt);
            for (index, metric) in self.filled(&BTreeMap::new()).iter().enumerate().filter(|(_, metric)| metric.has_source()) {
                metric.external_metric(&format!("spec.metrics[{index}]"), &around, None, problems);
            }
        }
    }

    /// Its metrics with arguments filled in; defaults where `args` say nothing.
    fn filled(&self, args: &BTreeMap<String, String>) -> Vec<MetricSpec> {
        let default = |name: &str| self.spec.args.iter().flatten().find(|arg| arg.name.as_deref() == Some(name))?.value.clone();
        let value = |placeholder: &str| {
            let name = placeholder.strip_prefix("args.")?;
            args.get(name).cloned().or_else(|| default(name))
        };
        let filled = |metric: &MetricSpec| {
            let texts = serde_json::to_value(metric).ok()?;
            serde_json::from_value(each_text(texts, &|text| fill(text, value))).ok()
        };
        self.spec.metrics.iter().flatten().filter_map(filled).collect()
    }
}

impl TemplateUse {
    /// The metrics that it stands for, every problem noted at `path`.
    pub(super) fn metrics(&self, path: &str, around: &Around<'_>, problems: &mut Problems) -> Vec<MetricSpec> {
        let Some(name) = self.name.as_deref() else {
            problems.add(format!("{path}.name"), "is missing: write the name of an AnalysisTemplate");
            return Vec::new();
        };
        let Some(template) = around.templates.find(around.namespace, name) else {
            let there = around.templates.names(around.namespace).join(", ");
            problems.add(format!("{path}.name"), format!("there is no AnalysisTemplate {name:?} for this namespace; there are {there}"));
            return Vec::new();
        };
        let args = self.args.clone().unwrap_or_default();
        let declared: Vec<&ArgSpec> = template.spec.args.iter().flatten().collect();
        for arg in args.keys().filter(|arg| declared.iter().all(|known| known.name.as_ref() != Some(arg))) {
            let known: Vec<&str> = declared.iter().filter_map(|arg| arg.name.as_deref()).collect();
            problems.add(format!("{path}.args.{arg}"), format!("{name} has no such argument; it has {}", known.join(", ")));
        }
        for arg in declared.iter().filter(|arg| arg.value.is_none()).filter_map(|arg| arg.name.as_deref()) {
            if !args.contains_key(arg) {
                problems.add(format!("{path}.args"), format!("{arg} is missing: {name} has no default for it"));
            }
        }
        if problems.within(path) { Vec::new() } else { template.filled(&args) }
    }
}

/// The arguments that texts ask for.
fn asked(json: &Value) -> BTreeSet<String> {
    match json {
        Value::String(text) => placeholders(text).into_iter().filter_map(|name| name.strip_prefix("args.")).map(str::to_owned).collect(),
        Value::Array(items) => items.iter().flat_map(asked).collect(),
        Value::Object(fields) => fields.values().flat_map(asked).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => BTreeSet::new(),
    }
}

fn each_text(json: Value, change: &impl Fn(&str) -> String) -> Value {
    match json {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| each_text(item, change)).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, each_text(value, change))).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}
