//! `shunt lint`: what the control plane would say about these manifests, without one; and whether an Envoy is set up right.

pub(crate) mod envoy;
pub(crate) mod policy;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use shunt_filter_core::RolloutId;
use shunt_spec::manifest::{ManifestError, conflicts};
use shunt_spec::{Plan, Time, lint};

use self::envoy::{Finding, Severity};
use super::console::Console;
use super::exit::Exit;
use super::manifests::Manifests;
use super::paint::{Paint, tame};

const EXAMPLES: &str = "Give all files of one control plane together, the MeshPolicy included: its limits apply to the Rollouts.
Exit code 0: no errors; 1: errors (with --strict also warnings); 2: wrong usage.

Examples:
  shunt lint rollouts/
  shunt lint shop.yaml mesh.yaml --strict
  shunt lint --envoy bootstrap.yaml
  shunt lint rollouts/ --envoy bootstrap.yaml        has each version of them its route?
  shunt lint envoy/static/policy.yaml                a policy without a control plane
  shunt lint rollouts/ -o json | jq -r '.errors[].message'";

/// What to check.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LintArgs {
    /// Manifests, or folders with *.yaml and *.yml files; also the policy of an Envoy or Istio without a control plane
    #[arg(value_name = "FILES", required_unless_present = "envoy")]
    files: Vec<PathBuf>,

    /// A bootstrap of Envoy (YAML or JSON): is the filter in place, are clients' headers removed, do routes match its header?
    #[arg(long, value_name = "FILE")]
    envoy: Vec<PathBuf>,

    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings {
    /// Would be refused.
    errors: Vec<ManifestError>,
    /// Would be accepted, and is probably not meant.
    warnings: Vec<ManifestError>,
    /// Documents of other tools, which are left alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<ManifestError>,
    /// Rollouts without an error.
    rollouts: Vec<RolloutId>,
    /// Manifests that were read.
    files: usize,
    /// What is to be changed in bootstraps, by file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    envoy: BTreeMap<String, Vec<Finding>>,
}

/// `shunt lint`
pub(crate) fn run(args: &LintArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let (policies, manifests): (Vec<PathBuf>, Vec<PathBuf>) = args.files.iter().cloned().partition(|file| policy::is_policy(file));
    let read = Manifests::read(&manifests)?;
    let plans: Vec<Plan> = read.plans.iter().map(|(_, plan)| plan.clone()).collect();
    let mut found = check(read);
    for file in &policies {
        found.envoy.insert(file.display().to_string(), policy::check(file)?);
    }
    for file in &args.envoy {
        found.envoy.insert(file.display().to_string(), bootstrap(file, &plans)?);
    }
    console.show(&found, |console| lines(&found, console.paint))?;
    let findings = || found.envoy.values().flatten();
    let errors = !found.errors.is_empty() || findings().any(|finding| finding.severity == Severity::Error);
    let warnings = !found.warnings.is_empty() || findings().next().is_some();
    let failed = errors || (args.strict && warnings);
    Ok(if failed { Exit::Wrong } else { Exit::Done })
}

fn bootstrap(file: &Path, plans: &[Plan]) -> anyhow::Result<Vec<Finding>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    envoy::check(&text, plans).with_context(|| format!("{} cannot be checked", file.display()))
}

fn check(read: Manifests) -> Findings {
    let Manifests { files, documents, plans, errors, skipped } = read;
    let mut found = Findings { errors, files, skipped, ..Findings::default() };
    let timed: Vec<(&Plan, Time)> = plans.iter().map(|(_, plan)| (plan, Time::default())).collect();
    let conflicted = conflicts(&timed);
    for (index, plan) in &plans {
        let Some(document) = documents.get(*index) else { continue };
        if let Some(sentence) = conflicted.get(&plan.id) {
            found.errors.push(document.origin.error("spec.service.hosts", sentence));
        }
        if let Some(rollout) = document.rollout() {
            found.warnings.extend(document.locate(lint::lint(rollout, plan)));
        }
    }
    let together: Vec<_> = plans.iter().filter_map(|(index, plan)| Some((documents.get(*index)?, plan))).collect();
    found.warnings.extend(lint::flags_alone(&together));
    for list in [&mut found.errors, &mut found.warnings] {
        list.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    }
    found.rollouts = plans.into_iter().map(|(_, plan)| plan.id).filter(|id| !conflicted.contains_key(id)).collect();
    found
}

fn lines(found: &Findings, paint: Paint) -> Vec<String> {
    let say = |kind: String, error: &ManifestError| {
        let field = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
        let at = paint.bold(&format!("{}:{}:{}:", error.file, error.line, error.column));
        format!("{at} {kind}: {}", tame(&format!("{field}{}", error.message)))
    };
    let mut lines: Vec<String> = found.errors.iter().map(|error| say(paint.bad("error"), error)).collect();
    lines.extend(found.warnings.iter().map(|warning| say(paint.attention("warning"), warning)));
    lines.extend(found.skipped.iter().map(|note| say(paint.dim("note"), note)));
    for (file, findings) in &found.envoy {
        lines.extend(findings.iter().map(|finding| bootstrap_line(file, finding, paint)));
        if findings.is_empty() {
            lines.push(format!("{} {}", paint.bold(&format!("{file}:")), paint.good("set up right")));
        }
    }
    if found.files == 0 {
        return lines;
    }
    let number = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    lines.push(format!(
        "{}: {} without an error, {}, {}",
        number(found.files, "file", "files"),
        number(found.rollouts.len(), "Rollout", "Rollouts"),
        number(found.errors.len(), "error", "errors"),
        number(found.warnings.len(), "warning", "warnings"),
    ));
    lines
}

fn bootstrap_line(file: &str, finding: &Finding, paint: Paint) -> String {
    let kind = match finding.severity {
        Severity::Error => paint.bad("error"),
        Severity::Warning => paint.attention("warning"),
    };
    let field = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
    format!("{} {kind}: {}", paint.bold(&format!("{file}:")), tame(&format!("{field}{}", finding.message)))
}
