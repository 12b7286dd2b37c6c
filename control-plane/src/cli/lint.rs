//! `shunt lint`: what the control plane would say about these manifests, without one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use shunt_core::manifest::{Document, ManifestError, compile, conflicts, duplicates, parse};
use shunt_core::mesh_policy::MeshPolicy;
use shunt_core::{Plan, Time, lint};
use shunt_filter_core::RolloutId;

use super::console::Console;
use super::exit::Exit;
use super::paint::{Paint, tame};

const EXAMPLES: &str = "Give all files of one control plane together, the MeshPolicy included: its limits apply to the Rollouts.
Exit code 0: no errors; 1: errors (with --strict also warnings); 2: wrong usage.

Examples:
  shunt lint rollouts/
  shunt lint shop.yaml mesh.yaml --strict
  shunt lint rollouts/ -o json | jq -r '.errors[].message'";

/// What to check.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LintArgs {
    /// Manifests, or folders with *.yaml and *.yml files
    #[arg(value_name = "FILES", required = true)]
    files: Vec<PathBuf>,

    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Findings {
    /// Would be refused.
    errors: Vec<ManifestError>,
    /// Would be accepted, and is probably not meant.
    warnings: Vec<ManifestError>,
    /// Rollouts without an error.
    rollouts: Vec<RolloutId>,
    /// Manifests that were read.
    files: usize,
}

/// `shunt lint`
pub(crate) fn run(args: &LintArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let files = expand(&args.files)?;
    let texts: Vec<(String, String)> = files.iter().map(|file| read(file)).collect::<anyhow::Result<_>>()?;
    let found = check(&texts);
    console.show(&found, |console| lines(&found, console.paint))?;
    let failed = !found.errors.is_empty() || (args.strict && !found.warnings.is_empty());
    Ok(if failed { Exit::Wrong } else { Exit::Done })
}

/// Folders become their manifests, as `serve` picks them.
fn expand(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = path.read_dir().with_context(|| format!("{} cannot be read", path.display()))?;
        let entries = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        let mut found: Vec<PathBuf> = entries.into_iter().filter(|path| is_manifest(path)).collect();
        anyhow::ensure!(!found.is_empty(), "{} has no *.yaml or *.yml file", path.display());
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    !hidden && yaml && path.is_file()
}

fn read(file: &Path) -> anyhow::Result<(String, String)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok((file.display().to_string(), text))
}

fn check(texts: &[(String, String)]) -> Findings {
    let mut found = Findings { files: texts.len(), ..Findings::default() };
    let mut documents: Vec<Document> = Vec::new();
    for (file, text) in texts {
        match parse(file, text) {
            Ok(mut parsed) => documents.append(&mut parsed),
            Err(mut errors) => found.errors.append(&mut errors),
        }
    }
    found.errors.extend(duplicates(&documents));
    let mesh = documents.iter().find_map(Document::mesh_policy);
    let compiled = compile_all(&documents, mesh, &mut found);
    let plans: Vec<(&Plan, Time)> = compiled.iter().map(|(_, plan)| (plan, Time::default())).collect();
    let conflicted = conflicts(&plans);
    for (document, plan) in &compiled {
        if let Some(sentence) = conflicted.get(&plan.id) {
            found.errors.push(document.origin.error("spec.service.hosts", sentence));
        }
        found.warnings.extend(lint::lint(document, plan));
    }
    for list in [&mut found.errors, &mut found.warnings] {
        list.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    }
    found.rollouts = compiled.into_iter().map(|(_, plan)| plan.id).filter(|id| !conflicted.contains_key(id)).collect();
    found
}

fn compile_all<'d>(documents: &'d [Document], mesh: Option<&MeshPolicy>, found: &mut Findings) -> Vec<(&'d Document, Plan)> {
    let mut compiled = Vec::new();
    let mut ids = BTreeSet::new();
    // Of a Rollout that is written twice, the first counts; the others are errors already.
    for document in documents.iter().filter(|document| document.id().is_some_and(|id| ids.insert(id))) {
        match compile(document, mesh) {
            Ok(plan) => compiled.push((document, plan)),
            Err(mut errors) => found.errors.append(&mut errors),
        }
    }
    compiled
}

fn lines(found: &Findings, paint: Paint) -> Vec<String> {
    let say = |kind: String, error: &ManifestError| {
        let field = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
        let at = paint.bold(&format!("{}:{}:{}:", error.file, error.line, error.column));
        format!("{at} {kind}: {}", tame(&format!("{field}{}", error.message)))
    };
    let mut lines: Vec<String> = found.errors.iter().map(|error| say(paint.bad("error"), error)).collect();
    lines.extend(found.warnings.iter().map(|warning| say(paint.attention("warning"), warning)));
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
