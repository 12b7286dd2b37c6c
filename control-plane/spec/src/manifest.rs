//! The edge where users' YAML becomes a [`crate::Plan`]: text in, documents, plans and errors out; no file is read here.
//!
//! [`parse`] reads a file's documents, [`Document::compile`] makes a Rollout's plan, [`duplicates`] and [`conflicts`] look at all of
//! them together, and [`edit_release`] changes the one line that a command may change.

mod conflict;
mod edit;
mod foreign;
mod origin;
mod read;
mod scalar;
mod suggest;
mod tree;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::{RolloutId, RoutingPolicy};

pub use conflict::{conflicts, duplicates};
pub use edit::{EditError, edit_release};
pub use foreign::skipped;
pub use origin::Origin;
pub use suggest::nearest;

use crate::compile::{Context, compile};
use crate::mesh_policy::{MeshPolicy, MeshPolicySpec};
use crate::plan::Plan;
use crate::problems::{FieldError, Problems};
use crate::rollout::analysis::{AnalysisTemplate, AnalysisTemplateSpec};
use crate::rollout::{Rollout, RolloutSpec, unsupported};
use crate::schema::filter;
use tree::{Node, Value};

/// The only version of the schema so far.
pub const API_VERSION: &str = "shunt.dev/v1alpha1";

/// Longest manifest file that is read, bytes.
pub const FILE_MAX: usize = 1024 * 1024;

/// One error (or warning) at one field. Printed `shop.yaml:12:5: spec.release: message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestError {
    /// As the caller named it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// Path of the field, for example `spec.versions[1].endpoints[0]`; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// The Rollout that the document is about, as far as it can be read: its last good version should keep running.
    #[schemars(with = "Option<filter::RolloutId>")]
    pub rollout: Option<RolloutId>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ManifestError {}

/// One resource of a manifest file, with where each of its fields stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it says.
    pub manifest: Manifest,
    /// Where it says it.
    pub origin: Origin,
}

/// What a document can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Manifest {
    /// `kind: Rollout`.
    Rollout(Box<Rollout>),
    /// `kind: MeshPolicy`.
    MeshPolicy(Box<MeshPolicy>),
    /// `kind: AnalysisTemplate`.
    AnalysisTemplate(AnalysisTemplate),
}

impl Document {
    /// The Rollout, if it is one.
    pub fn rollout(&self) -> Option<&Rollout> {
        match &self.manifest {
            Manifest::Rollout(rollout) => Some(rollout),
            Manifest::MeshPolicy(_) | Manifest::AnalysisTemplate(_) => None,
        }
    }

    /// The mesh policy, if it is one.
    pub fn mesh_policy(&self) -> Option<&MeshPolicy> {
        match &self.manifest {
            Manifest::MeshPolicy(policy) => Some(policy),
            Manifest::Rollout(_) | Manifest::AnalysisTemplate(_) => None,
        }
    }

    /// The template, if it is one.
    pub fn analysis_template(&self) -> Option<&AnalysisTemplate> {
        match &self.manifest {
            Manifest::AnalysisTemplate(template) => Some(template),
            Manifest::Rollout(_) | Manifest::MeshPolicy(_) => None,
        }
    }

    /// The plan of a Rollout's document, or all that is wrong with it, each with its line.
    pub fn compile(&self, context: &Context<'_>) -> Result<Plan, Vec<ManifestError>> {
        let Some(rollout) = self.rollout() else {
            return Err(vec![self.origin.error("kind", "is no Rollout: only a Rollout has a plan")]);
        };
        compile(rollout, context).map_err(|errors| self.locate(errors))
    }

    /// Errors at fields of this document with their file and lines, in the order of the file.
    pub fn locate(&self, errors: Vec<FieldError>) -> Vec<ManifestError> {
        self.origin.locate(errors)
    }

    /// Which Rollout, if it is one.
    pub fn id(&self) -> Option<&RolloutId> {
        self.rollout().map(|rollout| &rollout.id)
    }
}

/// All documents of one file; or all its errors, each with line, field path and remedy. `file` is used in messages only. A file
/// with an error gives no documents at all, so that the caller keeps the last good ones of that file; an empty file gives none.
pub fn parse(file: &str, text: &str) -> Result<Vec<Document>, Vec<ManifestError>> {
    if text.len() > FILE_MAX {
        let message = format!("is {} bytes long: a manifest may have at most {FILE_MAX}", text.len());
        return Err(vec![Origin::start_of(file).error("", message)]);
    }
    let nodes = tree::documents(text).map_err(|e| vec![Origin::at(file, e.at).error("", e.message)])?;
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    for node in nodes.iter().filter(|node| foreign::foreign(node).is_none()) {
        match document(file, node) {
            Ok(document) => documents.push(document),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(documents) } else { Err(errors) }
}

/// A routing policy as the filter gets it, read as a manifest is: with everything that is wrong with it, unknown fields included. Those
/// alone do not keep the filter from using it.
pub fn read_policy(text: &str) -> (Option<RoutingPolicy>, Vec<ManifestError>) {
    let node = match tree::documents(text) {
        Ok(nodes) => nodes.into_iter().next(),
        Err(error) => return (None, vec![Origin::at("", error.at).error("", error.message)]),
    };
    let Some(node) = node else { return (None, vec![Origin::start_of("").error("", "is empty")]) };
    let mut problems = Problems::new();
    let policy = read::read(&node, &|_| None, &mut problems);
    (policy, Origin::of("", &node).locate(problems.into_found()))
}

/// What every resource starts with.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: Option<String>,
    kind: Option<String>,
}

/// A whole resource, raw.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource<S> {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    metadata: Option<Metadata>,
    spec: Option<S>,
}

/// Who it is; labels and annotations are the user's own.
#[derive(Debug, Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    #[serde(rename = "labels")]
    _labels: Option<std::collections::BTreeMap<String, String>>,
    #[serde(rename = "annotations")]
    _annotations: Option<std::collections::BTreeMap<String, String>>,
}

fn document(file: &str, node: &Node) -> Result<Document, Vec<ManifestError>> {
    let origin = Origin::of(file, node);
    if !matches!(node.value, Value::Map(_)) {
        return Err(vec![origin.error("", "is not a mapping: a manifest has apiVersion, kind, metadata and spec")]);
    }
    let head: Head = read::leniently(node).unwrap_or_default();
    let mut problems = Problems::new();
    if head.api_version.as_deref() != Some(API_VERSION) {
        problems.add("apiVersion", must_be(head.api_version.as_deref(), API_VERSION));
    }
    let result = match head.kind.as_deref() {
        Some("Rollout") => rollout(node, &origin, &mut problems).map(|rollout| Manifest::Rollout(Box::new(rollout))),
        Some("MeshPolicy") => mesh_policy(node, &mut problems).map(|policy| Manifest::MeshPolicy(Box::new(policy))),
        Some("AnalysisTemplate") => analysis_template(node, &mut problems).map(Manifest::AnalysisTemplate),
        other => {
            problems.add("kind", must_be(other, "Rollout, MeshPolicy or AnalysisTemplate"));
            None
        }
    };
    match result {
        Some(manifest) if problems.is_empty() => Ok(Document { manifest, origin }),
        _ => Err(origin.locate(problems.into_found())),
    }
}

fn must_be(found: Option<&str>, wanted: &str) -> String {
    match found {
        Some(found) => format!("is {found:?}: write {wanted}"),
        None => format!("is missing: write {wanted}"),
    }
}

fn rollout(node: &Node, origin: &Origin, problems: &mut Problems) -> Option<Rollout> {
    let raw: Resource<RolloutSpec> = read::read(node, &unsupported::rollout, problems)?;
    let metadata = raw.metadata.unwrap_or_default();
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    let id = name(metadata.name.as_deref(), namespace, problems);
    if raw.spec.is_none() {
        problems.add("spec", "is missing: it needs at least service, versions and release");
    }
    Some(Rollout { id: id?, spec: raw.spec?, fields: origin.fields() })
}

fn mesh_policy(node: &Node, problems: &mut Problems) -> Option<MeshPolicy> {
    let raw: Resource<MeshPolicySpec> = read::read(node, &unsupported::mesh_policy, problems)?;
    let metadata = raw.metadata.unwrap_or_default();
    let id = name(metadata.name.as_deref(), metadata.namespace.as_deref().unwrap_or("default"), problems);
    let policy = MeshPolicy { name: id?.name().to_owned(), spec: raw.spec.unwrap_or_default() };
    policy.check(problems);
    Some(policy)
}

fn analysis_template(node: &Node, problems: &mut Problems) -> Option<AnalysisTemplate> {
    let raw: Resource<AnalysisTemplateSpec> = read::read(node, &|_| None, problems)?;
    let metadata = raw.metadata.unwrap_or_default();
    let id = name(metadata.name.as_deref(), metadata.namespace.as_deref().unwrap_or("default"), problems);
    let template = AnalysisTemplate { name: id?.name().to_owned(), namespace: metadata.namespace, spec: raw.spec.unwrap_or_default() };
    template.check(problems);
    Some(template)
}

fn name(name: Option<&str>, namespace: &str, problems: &mut Problems) -> Option<RolloutId> {
    let Some(name) = name else {
        problems.add("metadata.name", "is missing: write a name, for example checkout");
        return None;
    };
    match (RolloutId::new("default", name), RolloutId::new(namespace, "x")) {
        (Err(error), _) => problems.add("metadata.name", error),
        (_, Err(error)) => problems.add("metadata.namespace", error),
        (Ok(_), Ok(_)) => {}
    }
    RolloutId::new(namespace, name).ok()
}
